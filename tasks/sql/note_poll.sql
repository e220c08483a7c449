-- Notes when actors were last polled for, at most every other second; a row that somebody else is writing has
-- been noted then. Rows are locked and made in the order of their names, so that two polls cannot block each other.
WITH asked AS MATERIALIZED (
    SELECT DISTINCT name FROM unnest(%(actors)s::text[]) AS actor (name)
),
known AS MATERIALIZED (
    SELECT status.name, status.last_polled_at
    FROM tasks_actorstatus AS status
    WHERE status.name IN (SELECT name FROM asked)
    ORDER BY status.name
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
SELECT asked.name, clock_timestamp()
FROM asked
WHERE NOT EXISTS (SELECT FROM tasks_actorstatus AS status WHERE status.name = asked.name)
ORDER BY asked.name
ON CONFLICT DO NOTHING
