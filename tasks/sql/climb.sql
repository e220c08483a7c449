-- Tells, for each task that has just failed for good, how far its failure climbs (to every decider whose value
-- it was to become, up to the first accepted one on each way) and whether it is accepted: on all ways, and with
-- nobody outside waiting for an unaccepted member. The caller holds the locks of the processes.
-- Ids travel as arrays and rows are fetched by them through indexes, for the reason that settle.sql gives.
WITH RECURSIVE climb (id, origin, process_id, accepted) AS (
    SELECT task.id, task.id, task.process_id, task.accept_failure
    FROM tasks_task AS task
    WHERE task.id = ANY(ARRAY(SELECT unnest(%(failed)s::uuid[])))
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
),
member AS MATERIALIZED (
    SELECT id, origin, process_id, accepted
    FROM unnest(
        ARRAY(SELECT id FROM climb),
        ARRAY(SELECT origin FROM climb),
        ARRAY(SELECT process_id FROM climb),
        ARRAY(SELECT accepted FROM climb)
    ) AS member (id, origin, process_id, accepted)
)
SELECT
    member.origin,
    member.process_id,
    array_agg(member.id) AS members,
    bool_and(
        member.accepted
        OR (
            EXISTS (
                SELECT FROM tasks_task AS decider
                WHERE decider.value_from = member.id AND decider.state = 'DECIDED'
                OFFSET 0
            )
            AND NOT EXISTS (
                SELECT FROM tasks_dependency AS dependency WHERE dependency.awaited_id = member.id OFFSET 0
            )
        )
    ) AS accepted
FROM member
GROUP BY member.origin, member.process_id
ORDER BY member.origin
