-- Takes up to `limit` ENQUEUED tasks of one actor under a lease, priority levels in the order given.
-- The candidate list is MATERIALIZED: as a plain IN (SELECT … LIMIT n FOR UPDATE SKIP LOCKED) a generic
-- plan may run it again for every row and take all of them. The loop over the levels can only be a nested
-- one, so levels keep their order and the outer LIMIT stops the inner scans.
-- A task marked "alone" comes alone: it is taken only where it is the first, and then nothing beside it.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
),
candidates AS MATERIALIZED (
    SELECT ready.id, ready.alone
    FROM unnest(%(levels)s::smallint[], %(floors)s::timestamptz[]) AS level (priority, floor)
    CROSS JOIN LATERAL (
        SELECT task.id, task.alone
        FROM tasks_task AS task
        WHERE task.actor = %(actor)s
          AND task.state = 'ENQUEUED'
          AND task.kind <> 'external'
          AND task.priority = level.priority
          AND task.enqueued_at >= level.floor
        ORDER BY task.enqueued_at
        LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS ready
    WHERE NOT EXISTS (
        SELECT FROM tasks_actorstatus WHERE name IN (%(actor)s, '*') AND blocked_at IS NOT NULL
    )
    LIMIT %(limit)s
),
placed AS MATERIALIZED (
    SELECT id, alone, row_number() OVER () AS place, first_value(alone) OVER () AS first_is_alone
    FROM candidates
),
chosen AS MATERIALIZED (
    SELECT id, count(*) OVER () AS batch_size
    FROM placed
    WHERE place = 1 OR NOT (alone OR first_is_alone)
)
UPDATE tasks_task AS task
SET state = 'POLLED',
    attempt = task.attempt + 1,
    polled_at = moment.now,
    poll_ends_at = moment.now + task.poll_to_end,
    lease_ends_at = moment.now + least(task.poll_to_end, task.heartbeat),
    batch_size = chosen.batch_size,
    worker = %(worker)s
FROM chosen, moment
WHERE task.id = chosen.id AND task.state = 'ENQUEUED'
RETURNING
    task.id, task.process_id, task.actor, task.kind, task.attempt, task.tries, task.max_attempts, task.retry,
    task.arguments, task.details, task.priority, task.enqueued_at,
    extract(epoch FROM task.heartbeat)::float8, task.accepts_failures,
    extract(epoch FROM least(task.poll_to_end, task.heartbeat))::float8
