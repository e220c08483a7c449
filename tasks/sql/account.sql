-- Counts open tasks of processes up or down, and completes those that have none left and may complete:
-- the root is then settled, and its value is the result. A failure stands in a result as a stored value.
-- The caller holds the locks of the processes. OFFSET 0: the root is looked up only where a process ends; joined, it
-- would be read for each change, and a planner that expects many changes reads whole tables.
WITH change AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(changes)s::json) AS change (process_id uuid, open_tasks integer)
)
UPDATE processes_process AS process
SET open_tasks = process.open_tasks + change.open_tasks,
    state = CASE WHEN ending.ends THEN 'COMPLETED' ELSE process.state END,
    ended_at = CASE WHEN ending.ends THEN clock_timestamp() END,
    stood_still_at = CASE WHEN ending.ends THEN NULL ELSE process.stood_still_at END,
    result = CASE WHEN ending.ends THEN root.value END
FROM change
JOIN processes_process AS before ON before.id = change.process_id
CROSS JOIN LATERAL (
    SELECT before.open_tasks + change.open_tasks = 0 AND before.state IN ('RUNNING', 'PAUSED') AS ends
) AS ending
LEFT JOIN LATERAL (
    SELECT CASE
        WHEN origin.state = 'FAILED' THEN '{"$":"failure","v":' || origin.failure || '}'
        ELSE origin.result
    END AS value
    FROM tasks_task AS task
    JOIN tasks_task AS origin ON origin.id = coalesce(task.value_from, task.id)
    WHERE ending.ends AND task.id = change.process_id
    OFFSET 0
) AS root ON TRUE
WHERE process.id = change.process_id
RETURNING process.id, process.state
