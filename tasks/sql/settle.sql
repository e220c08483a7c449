-- Carries what was just settled along: up the chains of DECIDED deciders whose value it becomes, and to the
-- tasks that wait for any of them. `settled` are tasks settled a moment ago, `decided` deciders that have just
-- become DECIDED, whose promise may be settled already. The caller holds the locks of the processes.
-- A waiter that is no decider and would be handed a failure that it does not accept stays WAITING, with
-- nothing pending: it comes back as doomed.
-- A planner cannot guess what a recursion yields, and one that expects many rows reads whole tables (and compiles
-- the statement first). So ids travel as arrays made here, of which ten rows are expected, and what is found by
-- them is LATERAL with OFFSET 0: every row is then fetched through an index, however many there are.
WITH RECURSIVE moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
carried (id, origin) AS (
    SELECT task.id, coalesce(task.value_from, task.id)
    FROM tasks_task AS task
    WHERE task.id = ANY(ARRAY(SELECT unnest(%(settled)s::uuid[])))
    UNION
    SELECT decider.id, coalesce(promised.value_from, promised.id)
    FROM tasks_task AS decider
    JOIN tasks_task AS promised ON promised.id = decider.value_from
    WHERE decider.id = ANY(ARRAY(SELECT unnest(%(decided)s::uuid[])))
      AND (promised.state = 'COMPLETED' OR promised.failure_accepted)
    UNION
    SELECT decider.id, carried.origin
    FROM carried
    CROSS JOIN LATERAL (
        SELECT task.id
        FROM tasks_task AS task
        WHERE task.value_from = carried.id AND task.state = 'DECIDED'
        OFFSET 0
    ) AS decider
),
reached AS MATERIALIZED (
    SELECT id, origin
    FROM unnest(ARRAY(SELECT id FROM carried), ARRAY(SELECT origin FROM carried)) AS reached (id, origin)
),
completed AS (
    UPDATE tasks_task AS task
    SET state = 'COMPLETED', value_from = reached.origin, ended_at = moment.now
    FROM reached, moment
    WHERE task.id = reached.id AND task.state = 'DECIDED'
    RETURNING task.id, task.process_id
),
resolved AS MATERIALIZED (
    SELECT
        dependency.waiter_id,
        count(*) AS settled,
        (array_agg(origin.id) FILTER (WHERE dependency.delivers_value AND origin.state = 'FAILED'))[1] AS failed_input
    FROM reached
    JOIN tasks_task AS origin ON origin.id = reached.origin
    CROSS JOIN LATERAL (
        SELECT waiter_id, delivers_value FROM tasks_dependency WHERE awaited_id = reached.id OFFSET 0
    ) AS dependency
    GROUP BY dependency.waiter_id
),
ready AS MATERIALIZED (
    SELECT
        waiter.id,
        waiter.pending - resolved.settled AS pending,
        coalesce(waiter.failed_input, resolved.failed_input) AS failed_input,
        CASE
            WHEN waiter.pending > resolved.settled THEN 'WAITING'
            WHEN coalesce(waiter.failed_input, resolved.failed_input) IS NOT NULL
                AND waiter.kind <> 'decider' AND NOT waiter.accepts_failures THEN 'WAITING'
            ELSE tasks_ready_state(process.state, waiter.due_at, moment.now)
        END AS state
    FROM resolved
    JOIN tasks_task AS waiter ON waiter.id = resolved.waiter_id AND waiter.state = 'WAITING'
    JOIN processes_process AS process ON process.id = waiter.process_id
    CROSS JOIN moment
),
moved AS (
    UPDATE tasks_task AS task
    SET state = ready.state,
        pending = ready.pending,
        failed_input = ready.failed_input,
        enqueued_at = CASE WHEN ready.state = 'ENQUEUED' THEN moment.now END,
        deadline_at = CASE
            WHEN ready.state = 'ENQUEUED' AND task.enqueue_to_end IS NOT NULL
                THEN tasks_actor_clock(task.actor, moment.now) + task.enqueue_to_end
        END
    FROM ready, moment
    WHERE task.id = ready.id AND task.state = 'WAITING'
    RETURNING task.id, task.process_id, task.actor, task.kind, task.state, task.pending, task.failed_input
)
SELECT id, process_id, NULL AS actor, 'COMPLETED' AS state, FALSE AS doomed, NULL::uuid AS failed_input
FROM completed
UNION ALL
SELECT id, process_id, CASE WHEN kind <> 'external' THEN actor END, state, state = 'WAITING' AND pending = 0, failed_input
FROM moved
