-- Locks processes in id order and tells their states, in a statement of its own: one that locks and decides
-- would decide on what it saw before it waited.
SELECT id, state
FROM processes_process
WHERE id = ANY(%(ids)s::uuid[])
ORDER BY id
FOR NO KEY UPDATE
