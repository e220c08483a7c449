-- Writes down that a worker process lives, and what it holds. With its first sign (`begins`) it also replaces what a
-- former process of the same name left, and deletes some rows of processes that nobody has seen for a day.
WITH unseen AS MATERIALIZED (
    SELECT name
    FROM tasks_workerprocess
    WHERE %(begins)s AND name <> %(name)s AND seen_at < clock_timestamp() - interval '1 day'
    ORDER BY name
    LIMIT 100
    FOR UPDATE SKIP LOCKED
),
deleted AS (
    DELETE FROM tasks_workerprocess AS worker
    USING unseen
    WHERE worker.name = unseen.name
)
INSERT INTO tasks_workerprocess AS worker
    (name, host, pid, node, pool, queues, actors, held, started_at, seen_at, heard_at)
VALUES (
    %(name)s, %(host)s, %(pid)s, %(node)s, %(pool)s, %(queues)s, %(actors)s, %(held)s,
    clock_timestamp(), clock_timestamp(), clock_timestamp() - %(heard_seconds_ago)s::float * interval '1 second'
)
ON CONFLICT (name) DO UPDATE
SET host = excluded.host,
    pid = excluded.pid,
    node = excluded.node,
    pool = excluded.pool,
    queues = excluded.queues,
    actors = excluded.actors,
    held = excluded.held,
    started_at = CASE WHEN %(begins)s THEN excluded.started_at ELSE worker.started_at END,
    seen_at = excluded.seen_at,
    heard_at = CASE WHEN %(begins)s THEN excluded.heard_at ELSE coalesce(excluded.heard_at, worker.heard_at) END
