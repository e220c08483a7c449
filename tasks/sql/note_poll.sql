-- Notes when an actor was last polled for, at most every other second; a row that somebody else is writing has
-- been noted then.
WITH known AS (
    SELECT name, last_polled_at
    FROM tasks_actorstatus
    WHERE name = %(actor)s
    FOR NO KEY UPDATE SKIP LOCKED
),
noted AS (
    UPDATE tasks_actorstatus AS status
    SET last_polled_at = clock_timestamp()
    FROM known
    WHERE status.name = known.name
      AND coalesce(known.last_polled_at, '-infinity') < clock_timestamp() - interval '2 seconds'
)
INSERT INTO tasks_actorstatus (name, last_polled_at)
SELECT %(actor)s, clock_timestamp()
WHERE NOT EXISTS (SELECT FROM tasks_actorstatus WHERE name = %(actor)s)
ON CONFLICT DO NOTHING
