-- How much each actor has to hand out, and since when the oldest task waits.
SELECT actor, count(*), min(enqueued_at)
FROM tasks_task
WHERE state = 'ENQUEUED' AND kind <> 'external'
GROUP BY actor
ORDER BY actor
