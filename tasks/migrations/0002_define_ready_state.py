"""Defines in one place, for all statements, the state of a task that no longer waits for another."""

from django.db import migrations

CREATE = """
CREATE FUNCTION tasks_ready_state(process_state text, due_at timestamptz, moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN due_at > moment THEN 'DELAYED'
    WHEN process_state = 'RUNNING' THEN 'ENQUEUED'
    ELSE 'HELD'
END
"""
DROP = "DROP FUNCTION tasks_ready_state(text, timestamptz, timestamptz)"


class Migration(migrations.Migration):
    """A function that PostgreSQL inlines."""

    dependencies = [("tasks", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
