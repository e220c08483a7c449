-- The values of tasks that others refer to. A value that was carried along stands at its origin.
SELECT
    task.id,
    task.state = 'COMPLETED' OR task.failure_accepted AS settled,
    coalesce(origin.result, task.result),
    CASE
        WHEN origin.state = 'FAILED' THEN origin.failure
        WHEN task.state = 'FAILED' THEN task.failure
    END
FROM tasks_task AS task
LEFT JOIN tasks_task AS origin ON origin.id = task.value_from AND task.state IN ('COMPLETED', 'FAILED')
WHERE task.id = ANY(%(ids)s::uuid[])
