-- Holds what processes that stand still from now on would hand out, and stops their clocks: what is left of a budget
-- is kept beside it. Leases go on. The caller holds the locks of the processes.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
stopped AS (
    UPDATE processes_process AS process
    SET start_to_end_left = process.deadline_at - tasks_installation_clock(moment.now), deadline_at = NULL
    FROM moment
    WHERE process.id = ANY(%(ids)s::uuid[]) AND process.deadline_at IS NOT NULL
)
UPDATE tasks_task AS task
SET state = CASE WHEN task.state = 'ENQUEUED' THEN 'HELD' ELSE task.state END,
    budget_left = CASE
        WHEN task.deadline_at IS NOT NULL THEN task.deadline_at - tasks_actor_clock(task.actor, moment.now)
        ELSE task.budget_left
    END,
    deadline_at = NULL
FROM moment
WHERE task.process_id = ANY(%(ids)s::uuid[])
  AND (task.state = 'ENQUEUED' OR (task.deadline_at IS NOT NULL AND task.state IN ('WAITING', 'DELAYED', 'HELD', 'POLLED')))
