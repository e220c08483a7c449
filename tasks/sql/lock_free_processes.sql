-- Locks, in id order, those of the processes that nobody holds at the moment.
SELECT id, state
FROM processes_process
WHERE id = ANY(%(ids)s::uuid[])
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED
