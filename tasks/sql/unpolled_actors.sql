-- Actors with a task that has been ENQUEUED for a while, and that nobody has polled for as long. Hops from actor
-- to actor and from priority to priority through the claim's index, so a deep queue costs no more than a short one.
WITH RECURSIVE level (actor, priority, oldest) AS (
    (
        SELECT actor, priority, enqueued_at
        FROM tasks_task
        WHERE state = 'ENQUEUED' AND kind <> 'external'
        ORDER BY actor, priority, enqueued_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.actor, following.priority, following.enqueued_at
    FROM level
    CROSS JOIN LATERAL (
        SELECT task.actor, task.priority, task.enqueued_at
        FROM tasks_task AS task
        WHERE task.state = 'ENQUEUED'
          AND task.kind <> 'external'
          AND (task.actor, task.priority) > (level.actor, level.priority)
        ORDER BY task.actor, task.priority, task.enqueued_at
        LIMIT 1
    ) AS following
),
moment AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) - %(seconds)s * interval '1 second' AS too_old
)
SELECT DISTINCT level.actor
FROM level
CROSS JOIN moment
LEFT JOIN tasks_actorstatus AS status ON status.name = level.actor
WHERE level.oldest <= moment.too_old
  AND NOT EXISTS (
      SELECT FROM tasks_actorstatus AS blocked
      WHERE blocked.name IN (level.actor, '*') AND blocked.blocked_at IS NOT NULL
  )
  AND (status.last_polled_at IS NULL OR status.last_polled_at <= moment.too_old)
ORDER BY level.actor
