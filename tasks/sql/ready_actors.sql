-- Those of the given actors that have work to hand out.
SELECT actor.name
FROM unnest(%(actors)s::text[]) AS actor (name)
WHERE EXISTS (
        SELECT FROM tasks_task AS task
        WHERE task.actor = actor.name AND task.state = 'ENQUEUED' AND task.kind <> 'external'
    )
    AND NOT EXISTS (
        SELECT FROM tasks_actorstatus AS status WHERE status.name IN (actor.name, '*') AND status.blocked_at IS NOT NULL
    )
