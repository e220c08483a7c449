-- Enqueues root tasks that nobody has enqueued yet and marks their processes RUNNING, in one statement: apart, a
-- root could end before its process runs, and nothing would ever end it. The caller holds the locks.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
running AS (
    UPDATE processes_process AS process
    SET state = 'RUNNING', registered_at = moment.now
    FROM moment
    WHERE process.id = ANY(%(ids)s::uuid[])
      AND process.state = 'REGISTERING'
      AND EXISTS (SELECT FROM tasks_task AS root WHERE root.id = process.id)
    RETURNING process.id
),
ready AS MATERIALIZED (
    SELECT root.id, tasks_ready_state('RUNNING', root.due_at, moment.now) AS state
    FROM running
    JOIN tasks_task AS root ON root.id = running.id AND root.state = 'WAITING' AND root.pending = 0
    CROSS JOIN moment
)
UPDATE tasks_task AS task
SET state = ready.state,
    enqueued_at = CASE WHEN ready.state = 'ENQUEUED' THEN moment.now END,
    deadline_at = CASE
        WHEN ready.state = 'ENQUEUED' AND task.enqueue_to_end IS NOT NULL
            THEN tasks_actor_clock(task.actor, moment.now) + task.enqueue_to_end
    END
FROM ready, moment
WHERE task.id = ready.id AND task.state = 'WAITING'
RETURNING task.id, CASE WHEN task.kind <> 'external' THEN task.actor END, task.state
