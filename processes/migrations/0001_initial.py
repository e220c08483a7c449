"""The rows of this app."""

import django.db.models.functions.datetime
from django.db import migrations, models

import processes.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("process_id", models.UUIDField()),
                ("task_id", models.UUIDField(null=True)),
                ("kind", models.TextField()),
                ("detail", models.JSONField(default=dict)),
                ("by", models.TextField(default="")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(fields=["process_id", "id"], name="event_history"),
                    models.Index(fields=["kind", "id"], name="event_by_kind"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Process",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=processes.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("custom_id", models.TextField(null=True)),
                ("former_custom_id", models.TextField(null=True)),
                ("actor", models.TextField()),
                ("kind", models.TextField()),
                ("arguments", models.TextField()),
                ("options", models.TextField(default="{}")),
                ("attributes", models.JSONField(default=dict)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("REGISTERING", "Registering"),
                            ("RUNNING", "Running"),
                            ("PAUSED", "Paused"),
                            ("FAILED", "Failed"),
                            ("COMPLETED", "Completed"),
                            ("TIMED_OUT", "Timed Out"),
                            ("ABORTED", "Aborted"),
                        ],
                        default="REGISTERING",
                    ),
                ),
                ("open_tasks", models.IntegerField(db_default=0, default=0)),
                ("start_to_end", models.DurationField(null=True)),
                (
                    "on_start_to_end",
                    models.TextField(
                        choices=[("time_out", "Time Out"), ("alert", "Alert")],
                        db_default="time_out",
                        default="time_out",
                    ),
                ),
                ("deadline_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("registered_at", models.DateTimeField(null=True)),
                ("stood_still_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("result", models.TextField(null=True)),
                ("failure", models.TextField(null=True)),
                ("failed_task_id", models.UUIDField(null=True)),
                ("restarted_as", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name_plural": "processes",
                "indexes": [
                    models.Index(condition=models.Q(("state", "REGISTERING")), fields=["id"], name="process_register"),
                    models.Index(
                        condition=models.Q(("deadline_at__isnull", False), ("state", "RUNNING")),
                        fields=["deadline_at"],
                        name="process_start_to_end",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("custom_id__isnull", False)),
                        fields=("custom_id",),
                        name="process_custom_id_is_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["REGISTERING", "RUNNING", "PAUSED", "FAILED", "COMPLETED", "TIMED_OUT", "ABORTED"],
                            )
                        ),
                        name="process_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", False), ("state__in", ("COMPLETED", "TIMED_OUT", "ABORTED"))),
                            models.Q(
                                models.Q(("state__in", ("COMPLETED", "TIMED_OUT", "ABORTED")), _negated=True),
                                ("ended_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="process_ended_at_exactly_when_final",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ("PAUSED", "FAILED")), ("stood_still_at__isnull", False)),
                            models.Q(
                                models.Q(("state__in", ("PAUSED", "FAILED")), _negated=True),
                                ("stood_still_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="process_stood_still_at_exactly_in_standstill",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("open_tasks__gte", 0)), name="process_open_tasks_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ("COMPLETED", "TIMED_OUT", "ABORTED")), _negated=True),
                            ("open_tasks", 0),
                            _connector="OR",
                        ),
                        name="process_final_has_no_open_task",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("result__isnull", False), ("state", "COMPLETED")),
                            models.Q(models.Q(("state", "COMPLETED"), _negated=True), ("result__isnull", True)),
                            _connector="OR",
                        ),
                        name="process_result_exactly_when_completed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "FAILED"), _negated=True), ("failure__isnull", False), _connector="OR"
                        ),
                        name="process_failed_names_its_failure",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("registered_at__isnull", False),
                            models.Q(("state__in", ["RUNNING", "PAUSED", "COMPLETED"]), _negated=True),
                            _connector="OR",
                        ),
                        name="process_runs_only_when_registered",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("restarted_as__isnull", True),
                            models.Q(("custom_id__isnull", True), ("state__in", ("COMPLETED", "TIMED_OUT", "ABORTED"))),
                            _connector="OR",
                        ),
                        name="process_restarted_gave_up_its_custom_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deadline_at__isnull", True), ("start_to_end__isnull", False), _connector="OR"
                        ),
                        name="process_deadline_comes_from_start_to_end",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("on_start_to_end__in", ["time_out", "alert"])),
                        name="process_start_to_end_policy_is_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("custom_id", models.TextField(primary_key=True, serialize=False)),
                ("process_id", models.UUIDField()),
                ("actor", models.TextField()),
                ("arguments_hash", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("REGISTERING", "Registering"),
                            ("RUNNING", "Running"),
                            ("PAUSED", "Paused"),
                            ("FAILED", "Failed"),
                            ("COMPLETED", "Completed"),
                            ("TIMED_OUT", "Timed Out"),
                            ("ABORTED", "Aborted"),
                        ]
                    ),
                ),
                ("deleted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("COMPLETED", "TIMED_OUT", "ABORTED"))),
                        name="tombstone_state_is_final",
                    )
                ],
            },
        ),
    ]
