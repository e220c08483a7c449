-- Inserts new processes, in custom_id order so that two batches cannot deadlock. One whose id or custom_id is
-- there already is left out of what is returned; one that another transaction is inserting is waited for.
INSERT INTO processes_process (
    id, custom_id, actor, kind, arguments, options, attributes, state, open_tasks,
    start_to_end, on_start_to_end, deadline_at, created_at
)
SELECT
    id, custom_id, actor, kind, arguments, options, attributes, 'REGISTERING', 0,
    start_to_end * interval '1 second', on_start_to_end,
    CASE
        WHEN start_to_end IS NOT NULL
            THEN tasks_installation_clock(clock_timestamp()) + start_to_end * interval '1 second'
    END,
    clock_timestamp()
FROM json_to_recordset(%(processes)s::json) AS process (
    id uuid, custom_id text, actor text, kind text, arguments text, options text, attributes jsonb,
    start_to_end float8, on_start_to_end text
)
ORDER BY custom_id, id
ON CONFLICT DO NOTHING
RETURNING id
