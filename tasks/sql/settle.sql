-- Carries what was just settled along: up the chains of DECIDED deciders whose value it becomes, and to the
-- tasks that wait for any of them. `settled` are tasks settled a moment ago, `decided` deciders that have just
-- become DECIDED, whose promise may be settled already. The caller holds the locks of the processes.
-- A waiter that is no decider and would be handed a failure that it does not accept stays WAITING, with
-- nothing pending: it comes back as doomed.
WITH RECURSIVE moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
carried (id, origin) AS (
    SELECT task.id, coalesce(task.value_from, task.id)
    FROM tasks_task AS task
    WHERE task.id = ANY(%(settled)s::uuid[])
    UNION
    SELECT decider.id, coalesce(promised.value_from, promised.id)
    FROM tasks_task AS decider
    JOIN tasks_task AS promised ON promised.id = decider.value_from
    WHERE decider.id = ANY(%(decided)s::uuid[])
      AND (promised.state = 'COMPLETED' OR promised.failure_accepted)
    UNION
    SELECT decider.id, carried.origin
    FROM carried
    JOIN tasks_task AS decider ON decider.value_from = carried.id AND decider.state = 'DECIDED'
),
completed AS (
    UPDATE tasks_task AS task
    SET state = 'COMPLETED', value_from = carried.origin, ended_at = moment.now
    FROM carried, moment
    WHERE task.id = carried.id AND task.state = 'DECIDED'
    RETURNING task.id, task.process_id
),
resolved AS MATERIALIZED (
    SELECT
        dependency.waiter_id,
        count(*) AS settled,
        (array_agg(origin.id) FILTER (WHERE dependency.delivers_value AND origin.state = 'FAILED'))[1] AS failed_input
    FROM carried
    JOIN tasks_dependency AS dependency ON dependency.awaited_id = carried.id
    JOIN tasks_task AS origin ON origin.id = carried.origin
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
        deadline_at = CASE WHEN ready.state = 'ENQUEUED' THEN moment.now + task.enqueue_to_end END
    FROM ready, moment
    WHERE task.id = ready.id AND task.state = 'WAITING'
    RETURNING task.id, task.process_id, task.actor, task.kind, task.state, task.pending, task.failed_input
)
SELECT id, process_id, NULL AS actor, 'COMPLETED' AS state, FALSE AS doomed, NULL::uuid AS failed_input
FROM completed
UNION ALL
SELECT id, process_id, CASE WHEN kind <> 'external' THEN actor END, state, state = 'WAITING' AND pending = 0, failed_input
FROM moved
