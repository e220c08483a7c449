-- Enqueues DELAYED tasks that are due at `now`, or holds them where their process stands still. The caller holds
-- the locks of the processes.
WITH moment AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now, clock_timestamp() AS clock
),
due AS MATERIALIZED (
    SELECT task.id, CASE WHEN process.state = 'RUNNING' THEN 'ENQUEUED' ELSE 'HELD' END AS state
    FROM tasks_task AS task
    JOIN processes_process AS process ON process.id = task.process_id
    CROSS JOIN moment
    WHERE task.id = ANY(%(ids)s::uuid[])
      AND task.process_id = ANY(%(locked)s::uuid[])
      AND task.state = 'DELAYED'
      AND task.due_at <= moment.now
)
UPDATE tasks_task AS task
SET state = due.state,
    delay_reason = NULL,
    enqueued_at = CASE WHEN due.state = 'ENQUEUED' THEN moment.clock ELSE task.enqueued_at END,
    deadline_at = CASE
        WHEN due.state = 'ENQUEUED' AND task.enqueued_at IS NULL AND task.enqueue_to_end IS NOT NULL
            THEN tasks_actor_clock(task.actor, moment.clock) + task.enqueue_to_end
        ELSE task.deadline_at
    END
FROM due, moment
WHERE task.id = due.id AND task.state = 'DELAYED'
RETURNING task.id, CASE WHEN task.kind <> 'external' THEN task.actor END, task.state
