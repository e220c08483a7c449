-- Tells, for each task that has just failed for good, how far its failure climbs (to every decider whose value
-- it was to become, up to the first accepted one on each way) and whether it is accepted: on all ways, and with
-- nobody outside waiting for an unaccepted member. The caller holds the locks of the processes.
-- OFFSET 0 as in settle.sql: every row is fetched through an index, however many the planner expects.
WITH RECURSIVE climb (id, origin, process_id, accepted) AS (
    SELECT task.id, task.id, task.process_id, task.accept_failure
    FROM tasks_task AS task
    WHERE task.id = ANY(%(failed)s::uuid[])
    UNION
    SELECT decider.id, climb.origin, climb.process_id, decider.accept_failure
    FROM climb
    CROSS JOIN LATERAL (
        SELECT task.id, task.accept_failure
        FROM tasks_task AS task
        WHERE task.value_from = climb.id AND task.state = 'DECIDED'
        OFFSET 0
    ) AS decider
    WHERE NOT climb.accepted
)
SELECT
    climb.origin,
    climb.process_id,
    array_agg(climb.id) AS members,
    bool_and(
        climb.accepted
        OR (
            EXISTS (
                SELECT FROM tasks_task AS decider
                WHERE decider.value_from = climb.id AND decider.state = 'DECIDED'
                OFFSET 0
            )
            AND NOT EXISTS (
                SELECT FROM tasks_dependency AS dependency WHERE dependency.awaited_id = climb.id OFFSET 0
            )
        )
    ) AS accepted
FROM climb
GROUP BY climb.origin, climb.process_id
