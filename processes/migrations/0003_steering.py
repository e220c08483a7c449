"""What steering needs: acts with a request id, a clock that stands, deletion in steps, lists by state."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns, indexes and permissions of steering."""

    dependencies = [
        ("processes", "0002_tune_storage"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="process",
            options={
                "permissions": [
                    ("abort_process", "Can abort processes"),
                    ("pause_process", "Can pause and resume processes"),
                    ("restart_process", "Can restart processes"),
                ],
                "verbose_name_plural": "processes",
            },
        ),
        migrations.RemoveIndex(
            model_name="process",
            name="process_register",
        ),
        migrations.AddField(
            model_name="event",
            name="request_id",
            field=models.TextField(null=True),
        ),
        migrations.AddField(
            model_name="process",
            name="deletion_began_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="process",
            name="start_to_end_left",
            field=models.DurationField(null=True),
        ),
        migrations.AlterField(
            model_name="event",
            name="process_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name="process",
            index=models.Index(fields=["state", "id"], name="process_by_state"),
        ),
        migrations.AddIndex(
            model_name="process",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)),
                fields=["state", "actor", "ended_at"],
                name="process_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="process",
            index=models.Index(
                condition=models.Q(("deletion_began_at__isnull", False)),
                fields=["deletion_began_at"],
                name="process_being_deleted",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("request_id__isnull", False)),
                fields=("request_id",),
                name="event_request_id_is_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="process",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("start_to_end_left__isnull", True),
                    models.Q(("deadline_at__isnull", True), ("start_to_end__isnull", False)),
                    _connector="OR",
                ),
                name="process_clock_stands_or_runs",
            ),
        ),
        migrations.AddConstraint(
            model_name="process",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("deletion_began_at__isnull", True),
                    ("state__in", ("COMPLETED", "TIMED_OUT", "ABORTED")),
                    _connector="OR",
                ),
                name="process_deleted_only_when_final",
            ),
        ),
    ]
