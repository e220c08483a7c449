-- Deletes up to `limit` rows of ended processes, and tells how many: dependencies first, then tasks, then events.
-- A task goes only where all that these tasks wait for, or are waited for by, has been found: fewer than `limit`.
-- A dependency may be found from both its ends; that it counts twice then makes the step smaller, never larger.
WITH task AS MATERIALIZED (
    SELECT found.id
    FROM unnest(%(ids)s::uuid[]) AS process (id)
    CROSS JOIN LATERAL (SELECT id FROM tasks_task WHERE process_id = process.id LIMIT %(limit)s) AS found
    LIMIT %(limit)s
),
dependency AS MATERIALIZED (
    (
        SELECT found.id
        FROM task
        CROSS JOIN LATERAL (SELECT id FROM tasks_dependency WHERE waiter_id = task.id LIMIT %(limit)s) AS found
    )
    UNION ALL
    (
        SELECT found.id
        FROM task
        CROSS JOIN LATERAL (SELECT id FROM tasks_dependency WHERE awaited_id = task.id LIMIT %(limit)s) AS found
    )
    LIMIT %(limit)s
),
free_task AS MATERIALIZED (
    SELECT id FROM task LIMIT %(limit)s - (SELECT count(*) FROM dependency)
),
event AS MATERIALIZED (
    SELECT found.id
    FROM unnest(%(ids)s::uuid[]) AS process (id)
    CROSS JOIN LATERAL (SELECT id FROM processes_event WHERE process_id = process.id LIMIT %(limit)s) AS found
    LIMIT %(limit)s - (SELECT count(*) FROM dependency) - (SELECT count(*) FROM free_task)
),
deleted_dependency AS (
    DELETE FROM tasks_dependency WHERE id = ANY(ARRAY(SELECT id FROM dependency))
),
deleted_task AS (
    DELETE FROM tasks_task WHERE id = ANY(ARRAY(SELECT id FROM free_task))
),
deleted_event AS (
    DELETE FROM processes_event WHERE id = ANY(ARRAY(SELECT id FROM event))
)
SELECT (SELECT count(*) FROM dependency) + (SELECT count(*) FROM free_task) + (SELECT count(*) FROM event)
