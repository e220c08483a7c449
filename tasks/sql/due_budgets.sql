-- Tasks whose enqueue-to-end time is used up at `now` on the clock of their actor. Hops from actor to actor through
-- the index of deadlines, for each actor has a clock of its own; what is not due on it is not read.
WITH RECURSIVE hop (actor) AS (
    (
        SELECT actor
        FROM tasks_task
        WHERE deadline_at IS NOT NULL AND state IN ('WAITING', 'DELAYED', 'ENQUEUED', 'HELD', 'POLLED')
        ORDER BY actor
        LIMIT 1
    )
    UNION ALL
    SELECT following.actor
    FROM hop
    CROSS JOIN LATERAL (
        SELECT task.actor
        FROM tasks_task AS task
        WHERE task.deadline_at IS NOT NULL
          AND task.state IN ('WAITING', 'DELAYED', 'ENQUEUED', 'HELD', 'POLLED')
          AND task.actor > hop.actor
        ORDER BY task.actor
        LIMIT 1
    ) AS following
),
clock AS MATERIALIZED (
    SELECT actor, tasks_actor_clock(actor, coalesce(%(now)s::timestamptz, clock_timestamp())) AS now
    FROM hop
)
SELECT due.id, due.process_id
FROM clock
CROSS JOIN LATERAL (
    SELECT task.id, task.process_id
    FROM tasks_task AS task
    WHERE task.actor = clock.actor
      AND task.deadline_at <= clock.now
      AND task.state IN ('WAITING', 'DELAYED', 'ENQUEUED', 'HELD', 'POLLED')
    ORDER BY task.deadline_at
    LIMIT %(limit)s
) AS due
LIMIT %(limit)s
