"""A long history: a million finished tasks in processes that ended, and a thousand live ones in every state."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlencode

import psycopg
from django.db import connection

from tasks.policies import CallOptions

FINISHED = 1_000_000
LIVE = 1_000
ENDED_PROCESSES = 100_000

PROCESSES = """
INSERT INTO processes_process (
    id, custom_id, actor, kind, arguments, options, attributes, state, start_to_end, deadline_at,
    created_at, registered_at, ended_at, result
)
SELECT
    ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'ended-' || n, 'live.root#1.0', 'decider', '{}',
    '{}', '{}', 'COMPLETED', '1 day', now() - interval '1 hour', now() - interval '2 days', now() - interval '2 days',
    now() - interval '1 day', '1'
FROM generate_series(1, %(processes)s) AS n
"""
TASKS = """
INSERT INTO tasks_task (
    id, process_id, parent_id, actor, kind, arguments, state, created_at, due_at, enqueued_at, enqueue_to_end,
    deadline_at, attempt, released_attempt, polled_at, poll_to_end, heartbeat, worker, result, ended_at
)
SELECT
    ('00000000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('00000000-0000-7000-8000-' || lpad(to_hex(1 + n %% %(processes)s), 12, '0'))::uuid,
    NULL, 'live.work' || n %% 5 || '#1.0', 'worker', '{"number":1}', 'COMPLETED', now() - interval '2 days',
    now() - interval '2 days', now() - interval '2 days', '1 hour', now() - interval '1 day', 1, 1,
    now() - interval '2 days', '5 minutes', '30 seconds', 'w:1', '1', now() - interval '1 day'
FROM generate_series(1, %(tasks)s) AS n
"""
DEPENDENCIES = """
INSERT INTO tasks_dependency (process_id, waiter_id, awaited_id, delivers_value)
SELECT
    ('00000000-0000-7000-8000-' || lpad(to_hex(1 + n %% %(processes)s), 12, '0'))::uuid,
    ('00000000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('00000000-0001-7000-8000-' || lpad(to_hex(n + 1), 12, '0'))::uuid,
    TRUE
FROM generate_series(1, %(tasks)s - 1, 3) AS n
"""
LIVE_PROCESSES = """
INSERT INTO processes_process (
    id, custom_id, actor, kind, arguments, options, attributes, state, start_to_end, deadline_at, open_tasks,
    created_at, registered_at
)
SELECT
    ('00000000-0002-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'live-' || n, 'live.work0#1.0', 'worker', '{}',
    %(options)s, '{}', CASE WHEN n <= 10 THEN 'REGISTERING' ELSE 'RUNNING' END, '1 hour',
    now() + CASE WHEN n > 10 AND n %% 100 = 16 THEN interval '-1 s' ELSE interval '1 h' END,
    CASE WHEN n <= 10 THEN 0 ELSE 1 END, now() - interval '1 minute', CASE WHEN n > 10 THEN now() END
FROM generate_series(1, %(live)s + 10) AS n
"""
LIVE_TASKS = """
INSERT INTO tasks_task (
    id, process_id, actor, kind, arguments, state, created_at, pending, due_at, delay_reason, enqueued_at,
    enqueue_to_end, deadline_at, attempt, poll_to_end, heartbeat, batch_size, poll_ends_at, lease_ends_at
)
SELECT
    process.id, process.id, 'live.work' || n %% 5 || '#1.0', 'worker', '{}', kind.state, now(),
    CASE WHEN kind.state = 'WAITING' THEN 1 ELSE 0 END,
    CASE WHEN kind.state = 'DELAYED'
        THEN now() + CASE WHEN n %% 100 = 3 THEN interval '-1 s' ELSE interval '1 h' END END,
    CASE WHEN kind.state = 'DELAYED' THEN 'later' END,
    now() - interval '1 minute',
    '1 hour', now() + CASE WHEN n %% 100 = 4 THEN interval '-1 s' ELSE interval '1 h' END,
    1, '5 minutes', '30 seconds',
    CASE WHEN kind.state = 'POLLED' THEN 1 END,
    CASE WHEN kind.state = 'POLLED'
        THEN now() + CASE WHEN n %% 100 = 1 THEN interval '-1 s' ELSE interval '1 h' END END,
    CASE WHEN kind.state = 'POLLED'
        THEN now() + CASE WHEN n %% 50 = 1 THEN interval '-1 s' ELSE interval '1 h' END END
FROM generate_series(1, %(live)s) AS n
JOIN processes_process AS process
  ON process.id = ('00000000-0002-7000-8000-' || lpad(to_hex(n + 10), 12, '0'))::uuid
CROSS JOIN LATERAL (
    SELECT CASE n %% 10 WHEN 1 THEN 'POLLED' WHEN 2 THEN 'WAITING' WHEN 3 THEN 'DELAYED' ELSE 'ENQUEUED' END
) AS kind (state)
"""


def database_url(name: str) -> str:
    """Another database on the server of the tests."""
    known = connection.settings_dict
    options = {"host": known["HOST"], "port": known["PORT"], "user": known["USER"], "password": known["PASSWORD"]}
    return f"postgresql:///{quote(name)}?{urlencode({key: value for key, value in options.items() if value})}"


def fill(server: psycopg.Connection) -> None:
    """Fill a migrated, empty database. Takes some tens of seconds.

    The rows fit together by their making, so that foreign keys are not looked up a million times; everything else is
    checked as ever.
    """
    options = CallOptions(poll_to_end=timedelta(minutes=5), heartbeat=timedelta(seconds=30)).to_json()
    parameters = {"processes": ENDED_PROCESSES, "tasks": FINISHED, "live": LIVE, "options": options}
    server.execute("SET session_replication_role = replica")
    server.execute("SET synchronous_commit = off")
    for statement in (PROCESSES, TASKS, DEPENDENCIES, LIVE_PROCESSES, LIVE_TASKS):
        server.execute(statement, {key: value for key, value in parameters.items() if f"%({key})" in statement})
    server.execute("RESET session_replication_role")
    server.execute("VACUUM (ANALYZE) processes_process, tasks_task, tasks_dependency")
