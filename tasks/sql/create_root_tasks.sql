-- Creates root tasks as WAITING and counts them as open. A root has the id of its process, so a repeated run
-- finds it there and does nothing. The caller holds the locks of the processes.
WITH root AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(roots)s::json) AS root (
        id uuid, actor text, kind text, arguments text, priority smallint,
        accept_failure boolean, accepts_failures boolean, start_in float8, start_at timestamptz,
        enqueue_to_end float8, on_enqueue_to_end text, max_attempts integer, retry text,
        poll_to_end float8, heartbeat float8, on_lease_lost text
    )
),
created AS (
    INSERT INTO tasks_task (
        id, process_id, actor, kind, arguments, state, priority, created_at,
        pending, accept_failure, accepts_failures, due_at, delay_reason,
        enqueue_to_end, on_enqueue_to_end, attempt, tries, max_attempts, retry, alone,
        poll_to_end, heartbeat, on_lease_lost, failure_accepted
    )
    SELECT
        root.id, root.id, root.actor, root.kind, root.arguments, 'WAITING', root.priority, clock_timestamp(),
        0, root.accept_failure, root.accepts_failures,
        coalesce(root.start_at, process.created_at + root.start_in * interval '1 second'),
        CASE WHEN root.start_at IS NOT NULL OR root.start_in IS NOT NULL THEN 'later' END,
        root.enqueue_to_end * interval '1 second', root.on_enqueue_to_end, 0, 0, root.max_attempts, root.retry, FALSE,
        root.poll_to_end * interval '1 second', root.heartbeat * interval '1 second', root.on_lease_lost, FALSE
    FROM root
    JOIN processes_process AS process ON process.id = root.id AND process.state = 'REGISTERING'
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
UPDATE processes_process AS process
SET open_tasks = process.open_tasks + 1
FROM created
WHERE process.id = created.id
RETURNING process.id
