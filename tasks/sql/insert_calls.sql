-- Inserts new tasks with their dependencies and the state in which they begin. `pending` counts the awaited
-- tasks that are not settled; those of the same insertion are not. The caller holds the locks of the processes.
WITH call AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(calls)s::json) AS call (
        id uuid, process_id uuid, parent_id uuid, actor text, kind text, arguments text, priority smallint,
        accept_failure boolean, accepts_failures boolean, start_in float8, start_at timestamptz,
        enqueue_to_end float8, on_enqueue_to_end text, max_attempts integer, retry text,
        poll_to_end float8, heartbeat float8, on_lease_lost text
    )
),
need AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(needs)s::json) AS need (
        process_id uuid, waiter_id uuid, awaited_id uuid, delivers_value boolean
    )
),
moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
awaited AS MATERIALIZED (
    SELECT
        need.waiter_id,
        count(*) FILTER (WHERE task.id IS NULL OR NOT (task.state = 'COMPLETED' OR task.failure_accepted)) AS pending,
        (array_agg(coalesce(task.value_from, task.id)) FILTER (
            WHERE need.delivers_value AND (task.failure_accepted OR origin.failure_accepted)
        ))[1] AS failed_input
    FROM need
    LEFT JOIN tasks_task AS task ON task.id = need.awaited_id
    LEFT JOIN tasks_task AS origin ON origin.id = task.value_from
    GROUP BY need.waiter_id
),
ready AS MATERIALIZED (
    SELECT
        call.*,
        coalesce(awaited.pending, 0) AS pending,
        awaited.failed_input,
        coalesce(call.start_at, moment.now + call.start_in * interval '1 second') AS due_at,
        moment.now,
        CASE
            WHEN awaited.pending > 0 THEN 'WAITING'
            WHEN awaited.failed_input IS NOT NULL AND call.kind <> 'decider' AND NOT call.accepts_failures THEN 'WAITING'
            ELSE tasks_ready_state(
                process.state, coalesce(call.start_at, moment.now + call.start_in * interval '1 second'), moment.now
            )
        END AS state
    FROM call
    JOIN processes_process AS process ON process.id = call.process_id
    LEFT JOIN awaited ON awaited.waiter_id = call.id
    CROSS JOIN moment
),
inserted AS (
    INSERT INTO tasks_task (
        id, process_id, parent_id, actor, kind, arguments, state, priority, created_at,
        pending, failed_input, accept_failure, accepts_failures, due_at, delay_reason, enqueued_at,
        enqueue_to_end, on_enqueue_to_end, deadline_at, attempt, tries, max_attempts, retry, alone,
        poll_to_end, heartbeat, on_lease_lost, failure_accepted
    )
    SELECT
        id, process_id, parent_id, actor, kind, arguments, state, priority, now,
        pending, failed_input, accept_failure, accepts_failures, due_at,
        CASE WHEN due_at IS NOT NULL THEN 'later' END,
        CASE WHEN state = 'ENQUEUED' THEN now END,
        enqueue_to_end * interval '1 second', on_enqueue_to_end,
        CASE
            WHEN state = 'ENQUEUED' AND enqueue_to_end IS NOT NULL
                THEN tasks_actor_clock(actor, now) + enqueue_to_end * interval '1 second'
        END,
        0, 0, max_attempts, retry, FALSE,
        poll_to_end * interval '1 second', heartbeat * interval '1 second', on_lease_lost, FALSE
    FROM ready
    RETURNING id, process_id, actor, kind, state, pending, failed_input
),
linked AS (
    INSERT INTO tasks_dependency (process_id, waiter_id, awaited_id, delivers_value)
    SELECT process_id, waiter_id, awaited_id, delivers_value FROM need
)
SELECT id, process_id, CASE WHEN kind <> 'external' THEN actor END, state, pending = 0 AND state = 'WAITING' AS doomed, failed_input
FROM inserted
