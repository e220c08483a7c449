"""The clocks of actors, which stand while an actor is blocked or everything is paused."""

from datetime import timedelta

from django.db import migrations, models

CREATE = """
CREATE FUNCTION tasks_installation_clock(moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(
    (SELECT coalesce(clock_stopped_at, moment) - blocked_for FROM tasks_actorstatus WHERE name = '*'),
    moment
);
CREATE FUNCTION tasks_actor_clock(actor text, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(
    (
        SELECT coalesce(clock_stopped_at, tasks_installation_clock(moment)) - blocked_for
        FROM tasks_actorstatus
        WHERE name = actor
    ),
    tasks_installation_clock(moment)
)
"""
DROP = """
DROP FUNCTION tasks_actor_clock(text, timestamptz);
DROP FUNCTION tasks_installation_clock(timestamptz)
"""
STOP = "UPDATE tasks_actorstatus SET clock_stopped_at = blocked_at WHERE blocked_at IS NOT NULL"


class Migration(migrations.Migration):
    """A status row knows how long its actor was blocked; two functions tell the time by it."""

    dependencies = [
        ("processes", "0003_steering"),
        ("tasks", "0003_tune_storage"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="actorstatus",
            options={
                "permissions": [("block_actor", "Can block and unblock actors, and pause and resume everything")],
                "verbose_name_plural": "actor statuses",
            },
        ),
        migrations.AlterModelOptions(
            name="task",
            options={
                "permissions": [
                    ("restart_task", "Can restart failed tasks"),
                    ("complete_task", "Can complete and fail external tasks"),
                ]
            },
        ),
        migrations.RemoveIndex(
            model_name="task",
            name="task_enqueue_to_end",
        ),
        migrations.AddField(
            model_name="actorstatus",
            name="blocked_for",
            field=models.DurationField(db_default=timedelta(0), default=timedelta(0)),
        ),
        migrations.AddField(
            model_name="actorstatus",
            name="clock_stopped_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(STOP, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(
                    ("deadline_at__isnull", False), ("state__in", ("WAITING", "DELAYED", "ENQUEUED", "HELD", "POLLED"))
                ),
                fields=["actor", "deadline_at"],
                name="task_enqueue_to_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="actorstatus",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("blocked_at__isnull", True), ("clock_stopped_at__isnull", True)),
                    models.Q(("blocked_at__isnull", False), ("clock_stopped_at__isnull", False)),
                    _connector="OR",
                ),
                name="actor_clock_stands_exactly_when_blocked",
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
