-- Extends the leases of all tasks that one process holds, in one statement. SKIP LOCKED: a row that is being
-- released or rescued right now is left alone; what is not returned is looked at by the caller.
-- `batch_size` says how many are held now: what is held alone pays alone for its loss. NULL: as it was.
WITH held AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(held)s::json) AS held (id uuid, attempt integer, details text)
),
locked AS MATERIALIZED (
    SELECT task.id, held.details
    FROM tasks_task AS task
    JOIN held ON held.id = task.id AND held.attempt = task.attempt
    WHERE task.state = 'POLLED'
    ORDER BY task.id
    FOR NO KEY UPDATE OF task SKIP LOCKED
)
UPDATE tasks_task AS task
SET lease_ends_at = least(task.poll_ends_at, clock_timestamp() + task.heartbeat),
    details = coalesce(locked.details, task.details),
    batch_size = coalesce(%(batch_size)s::integer, task.batch_size)
FROM locked
WHERE task.id = locked.id AND task.state = 'POLLED'
RETURNING task.id, extract(epoch FROM task.lease_ends_at - clock_timestamp())::float8
