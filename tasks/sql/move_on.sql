-- Lets processes leave their standstill: RUNNING, what was HELD is ENQUEUED, and the clocks go on with what was left.
-- The caller holds the locks of the processes.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
running AS (
    UPDATE processes_process AS process
    SET state = 'RUNNING',
        stood_still_at = NULL,
        failure = NULL,
        failed_task_id = NULL,
        deadline_at = CASE
            WHEN process.start_to_end_left IS NOT NULL
                THEN tasks_installation_clock(moment.now) + process.start_to_end_left
        END,
        start_to_end_left = NULL
    FROM moment
    WHERE process.id = ANY(%(ids)s::uuid[]) AND process.state IN ('PAUSED', 'FAILED')
    RETURNING process.id
)
UPDATE tasks_task AS task
SET state = CASE WHEN task.state = 'HELD' THEN 'ENQUEUED' ELSE task.state END,
    enqueued_at = CASE WHEN task.state = 'HELD' THEN moment.now ELSE task.enqueued_at END,
    deadline_at = CASE
        WHEN task.budget_left IS NOT NULL THEN tasks_actor_clock(task.actor, moment.now) + task.budget_left
        WHEN task.enqueued_at IS NULL AND task.enqueue_to_end IS NOT NULL
            THEN tasks_actor_clock(task.actor, moment.now) + task.enqueue_to_end
        ELSE task.deadline_at
    END,
    budget_left = NULL
FROM running, moment
WHERE task.process_id = running.id
  AND (task.state = 'HELD' OR (task.budget_left IS NOT NULL AND task.state IN ('WAITING', 'DELAYED', 'POLLED')))
RETURNING task.id, CASE WHEN task.kind <> 'external' THEN task.actor END, task.state
