-- Takes back leases that have run out at `now`. Who pays: a lease lost in a batch of more than one counts no try
-- and its task comes back to be claimed alone; only a loss of a task held alone counts.
-- The caller holds the locks of the processes; the guard is looked at again under the lock of the task, for a
-- heartbeat may have extended the lease meanwhile.
WITH moment AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
),
verdict AS MATERIALIZED (
    SELECT
        task.id,
        task.attempt,
        process.state AS process_state,
        task.batch_size = 1 AND (task.on_lease_lost = 'fail' OR task.tries + 1 >= task.max_attempts) AS fails
    FROM tasks_task AS task
    JOIN processes_process AS process ON process.id = task.process_id
    WHERE task.id = ANY(%(ids)s::uuid[]) AND task.process_id = ANY(%(locked)s::uuid[]) AND task.state = 'POLLED'
)
UPDATE tasks_task AS task
SET state = CASE
        WHEN verdict.fails THEN 'FAILED'
        WHEN verdict.process_state = 'RUNNING' THEN 'ENQUEUED'
        ELSE 'HELD'
    END,
    tries = task.tries + CASE WHEN task.batch_size = 1 THEN 1 ELSE 0 END,
    alone = task.alone OR task.batch_size > 1,
    failure = CASE WHEN verdict.fails THEN %(failure)s ELSE task.failure END,
    ended_at = CASE WHEN verdict.fails THEN clock_timestamp() END,
    poll_ends_at = NULL,
    lease_ends_at = NULL,
    batch_size = NULL
FROM verdict, moment
WHERE task.id = verdict.id
  AND task.attempt = verdict.attempt
  AND task.state = 'POLLED'
  AND task.lease_ends_at <= moment.now
RETURNING task.id, task.process_id, task.actor, task.state, task.attempt, task.tries, task.worker
