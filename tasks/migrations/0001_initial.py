"""The rows of this app."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import processes.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("processes", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ActorStatus",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("blocked_at", models.DateTimeField(null=True)),
                ("last_polled_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "actor statuses",
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=processes.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("parent_id", models.UUIDField(null=True)),
                ("actor", models.TextField()),
                (
                    "kind",
                    models.TextField(choices=[("worker", "Worker"), ("decider", "Decider"), ("external", "External")]),
                ),
                ("arguments", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("WAITING", "Waiting"),
                            ("DELAYED", "Delayed"),
                            ("ENQUEUED", "Enqueued"),
                            ("HELD", "Held"),
                            ("POLLED", "Polled"),
                            ("DECIDED", "Decided"),
                            ("FAILED", "Failed"),
                            ("COMPLETED", "Completed"),
                            ("CANCELLED", "Cancelled"),
                        ],
                        default="WAITING",
                    ),
                ),
                ("priority", models.SmallIntegerField(db_default=5, default=5)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("pending", models.IntegerField(db_default=0, default=0)),
                ("failed_input", models.UUIDField(null=True)),
                ("accept_failure", models.BooleanField(db_default=False, default=False)),
                ("accepts_failures", models.BooleanField(db_default=False, default=False)),
                ("due_at", models.DateTimeField(null=True)),
                (
                    "delay_reason",
                    models.TextField(
                        choices=[
                            ("later", "Later"),
                            ("retry", "Retry"),
                            ("snooze", "Snooze"),
                            ("incompatible_code", "Incompatible Code"),
                        ],
                        null=True,
                    ),
                ),
                ("enqueued_at", models.DateTimeField(null=True)),
                ("enqueue_to_end", models.DurationField(null=True)),
                (
                    "on_enqueue_to_end",
                    models.TextField(choices=[("fail", "Fail"), ("alert", "Alert")], db_default="fail", default="fail"),
                ),
                ("deadline_at", models.DateTimeField(null=True)),
                ("budget_left", models.DurationField(null=True)),
                ("attempt", models.IntegerField(db_default=0, default=0)),
                ("released_attempt", models.IntegerField(null=True)),
                ("tries", models.IntegerField(db_default=0, default=0)),
                ("max_attempts", models.IntegerField(db_default=3, default=3)),
                ("retry", models.TextField(null=True)),
                ("alone", models.BooleanField(db_default=False, default=False)),
                ("polled_at", models.DateTimeField(null=True)),
                ("poll_to_end", models.DurationField()),
                ("heartbeat", models.DurationField()),
                (
                    "on_lease_lost",
                    models.TextField(
                        choices=[("retry", "Retry"), ("fail", "Fail")], db_default="retry", default="retry"
                    ),
                ),
                ("poll_ends_at", models.DateTimeField(null=True)),
                ("lease_ends_at", models.DateTimeField(null=True)),
                ("batch_size", models.IntegerField(null=True)),
                ("worker", models.TextField(null=True)),
                ("details", models.TextField(null=True)),
                ("value_from", models.UUIDField(null=True)),
                ("result", models.TextField(null=True)),
                ("failure", models.TextField(null=True)),
                ("failure_accepted", models.BooleanField(db_default=False, default=False)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "process",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DO_NOTHING, related_name="tasks", to="processes.process"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Dependency",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("process_id", models.UUIDField()),
                ("delivers_value", models.BooleanField(default=True)),
                (
                    "awaited",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DO_NOTHING, related_name="waiters", to="tasks.task"
                    ),
                ),
                (
                    "waiter",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="awaits",
                        to="tasks.task",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "dependencies",
            },
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state", "ENQUEUED"), models.Q(("kind", "external"), _negated=True)),
                fields=["actor", "priority", "enqueued_at"],
                name="task_claim",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("state", "DELAYED")), fields=["due_at"], name="task_due"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("state", "POLLED")), fields=["lease_ends_at"], name="task_lease"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(
                    ("deadline_at__isnull", False), ("state__in", ("WAITING", "DELAYED", "ENQUEUED", "HELD", "POLLED"))
                ),
                fields=["deadline_at"],
                name="task_enqueue_to_end",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("state", "DECIDED")), fields=["value_from"], name="task_value_from"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("failure_accepted", False), ("state", "FAILED")),
                fields=["process"],
                name="task_unaccepted_failure",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "WAITING",
                            "DELAYED",
                            "ENQUEUED",
                            "HELD",
                            "POLLED",
                            "DECIDED",
                            "FAILED",
                            "COMPLETED",
                            "CANCELLED",
                        ],
                    )
                ),
                name="task_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["worker", "decider", "external"])), name="task_kind_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", False), ("state__in", ("COMPLETED", "FAILED", "CANCELLED"))),
                    models.Q(
                        models.Q(("state__in", ("COMPLETED", "FAILED", "CANCELLED")), _negated=True),
                        ("ended_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="task_ended_at_exactly_when_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("batch_size__isnull", False),
                        ("lease_ends_at__isnull", False),
                        ("poll_ends_at__isnull", False),
                        ("state", "POLLED"),
                    ),
                    models.Q(
                        models.Q(("state", "POLLED"), _negated=True),
                        ("batch_size__isnull", True),
                        ("lease_ends_at__isnull", True),
                        ("poll_ends_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="task_lease_exactly_when_polled",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("pending", 0),
                    models.Q(("pending__gt", 0), ("state__in", ["WAITING", "CANCELLED"])),
                    _connector="OR",
                ),
                name="task_pending_only_while_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "DELAYED"), _negated=True),
                    models.Q(("delay_reason__isnull", False), ("due_at__isnull", False)),
                    _connector="OR",
                ),
                name="task_delayed_has_due_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["ENQUEUED", "POLLED"]), _negated=True),
                    ("enqueued_at__isnull", False),
                    _connector="OR",
                ),
                name="task_enqueued_at_when_enqueued",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "DECIDED"), _negated=True),
                    models.Q(("kind", "decider"), ("result__isnull", True), ("value_from__isnull", False)),
                    _connector="OR",
                ),
                name="task_decided_is_decider_with_promise",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "COMPLETED"), _negated=True),
                    models.Q(("result__isnull", False), ("value_from__isnull", True)),
                    models.Q(("result__isnull", True), ("value_from__isnull", False)),
                    _connector="OR",
                ),
                name="task_completed_has_one_value",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("result__isnull", True), ("state", "COMPLETED"), _connector="OR"),
                name="task_result_only_when_completed",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "FAILED"), _negated=True),
                    ("failure__isnull", False),
                    ("value_from__isnull", False),
                    _connector="OR",
                ),
                name="task_failed_has_failure",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("failure_accepted", False), ("state", "FAILED"), _connector="OR"),
                name="task_accepted_failure_is_failed",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "external"), _negated=True),
                    models.Q(("state__in", ["POLLED", "DECIDED"]), _negated=True),
                    _connector="OR",
                ),
                name="task_external_is_never_polled",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__gte", 0), ("priority__lte", 9)), name="task_priority_between_0_and_9"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_attempts__gte", 1), ("tries__gte", 0), ("tries__lte", models.F("attempt"))),
                name="task_tries_at_most_attempts",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("deadline_at__isnull", True), ("enqueue_to_end__isnull", False), _connector="OR"),
                name="task_deadline_comes_from_enqueue_to_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("on_enqueue_to_end__in", ["fail", "alert"]), ("on_lease_lost__in", ["retry", "fail"])
                ),
                name="task_policies_are_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("delay_reason__isnull", True),
                    ("delay_reason__in", ["later", "retry", "snooze", "incompatible_code"]),
                    _connector="OR",
                ),
                name="task_delay_reason_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="dependency",
            constraint=models.UniqueConstraint(fields=("waiter", "awaited"), name="dependency_pair_is_unique"),
        ),
        migrations.AddConstraint(
            model_name="dependency",
            constraint=models.CheckConstraint(
                condition=models.Q(("waiter", models.F("awaited")), _negated=True), name="dependency_not_on_itself"
            ),
        ),
    ]
