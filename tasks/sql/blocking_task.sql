-- The task that another one waits for in the end: down the promises of deciders and the first awaited task that is not
-- settled, as long as there is one. The steps are bounded.
WITH RECURSIVE step (id, state, value_from, depth) AS (
    SELECT id, state, value_from, 0
    FROM tasks_task
    WHERE id = %(task)s
    UNION ALL
    SELECT following.id, following.state, following.value_from, step.depth + 1
    FROM step
    CROSS JOIN LATERAL (
        SELECT task.id, task.state, task.value_from
        FROM tasks_task AS task
        WHERE task.id = CASE
            WHEN step.state = 'DECIDED' THEN step.value_from
            WHEN step.state = 'WAITING' THEN (
                SELECT awaited.id
                FROM tasks_dependency AS dependency
                JOIN tasks_task AS awaited ON awaited.id = dependency.awaited_id
                WHERE dependency.waiter_id = step.id
                  AND awaited.state NOT IN ('COMPLETED', 'CANCELLED')
                  AND NOT awaited.failure_accepted
                LIMIT 1
            )
        END
    ) AS following
    WHERE step.depth < 10000
)
SELECT id, depth
FROM step
ORDER BY depth
