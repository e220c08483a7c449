-- Writes the outcomes of leased attempts. The fence is (id, attempt, POLLED): what does not match is not
-- written and not returned. What is handed back unused stays marked to be claimed alone, for nothing was learnt
-- of it. The caller holds the locks of the processes.
WITH outcome AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(outcomes)s::json) AS outcome (
        id uuid, attempt integer, state text, result text, failure text, value_from uuid,
        delay float8, delay_reason text, tries integer, alone boolean,
        details text
    )
),
moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
)
UPDATE tasks_task AS task
SET state = CASE
        WHEN outcome.state = 'ENQUEUED' AND process.state <> 'RUNNING' THEN 'HELD'
        ELSE outcome.state
    END,
    result = outcome.result,
    failure = outcome.failure,
    value_from = outcome.value_from,
    due_at = CASE WHEN outcome.state = 'DELAYED' THEN moment.now + outcome.delay * interval '1 second' END,
    delay_reason = outcome.delay_reason,
    tries = task.tries + outcome.tries,
    alone = outcome.alone OR (task.alone AND outcome.state = 'ENQUEUED'),
    details = coalesce(outcome.details, task.details),
    released_attempt = outcome.attempt,
    ended_at = CASE WHEN outcome.state IN ('COMPLETED', 'FAILED') THEN moment.now END,
    poll_ends_at = NULL,
    lease_ends_at = NULL,
    batch_size = NULL
FROM outcome, processes_process AS process, moment
WHERE task.id = outcome.id
  AND task.attempt = outcome.attempt
  AND task.state = 'POLLED'
  AND process.id = task.process_id
RETURNING task.id, task.state
