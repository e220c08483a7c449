-- What the open tasks of these processes call, and what those that are not registered yet will call: each actor with
-- its kind and the names of its arguments, how often, in which processes. A DECIDED task has run; a failed one whose
-- failure nobody accepted may be restarted. Only names are asked for, and PostgreSQL reads no JSON with a NUL in it.
SELECT call.actor, call.kind, given.names, count(*), array_agg(DISTINCT call.process_id)
FROM (
    SELECT task.actor, task.kind, task.process_id, task.arguments
    FROM tasks_task AS task
    WHERE task.process_id = ANY(%(ids)s)
      AND (
          task.state IN ('WAITING', 'DELAYED', 'ENQUEUED', 'HELD', 'POLLED')
          OR (task.state = 'FAILED' AND NOT task.failure_accepted)
      )
    UNION ALL
    SELECT process.actor, process.kind, process.id, process.arguments
    FROM processes_process AS process
    WHERE process.id = ANY(%(ids)s) AND process.state = 'REGISTERING'
) AS call
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(name ORDER BY name), '{}') AS names
    FROM json_object_keys(replace(call.arguments, '\u0000', '\u0001')::json) AS name
) AS given
GROUP BY call.actor, call.kind, given.names
