"""How long what has ended is kept: rules, made by people. Without one nothing is ever deleted."""

from datetime import timedelta

from django.db import migrations, models


class Migration(migrations.Migration):
    """The rules of retention."""

    dependencies = [
        ("recovery", "0002_schedule_the_scans"),
    ]

    operations = [
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "actor",
                    models.TextField(
                        blank=True, default="", help_text="Name without #version; empty: every other actor."
                    ),
                ),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("COMPLETED", "COMPLETED: delete"),
                            ("TIMED_OUT", "TIMED_OUT: delete"),
                            ("ABORTED", "ABORTED: delete"),
                            ("FAILED", "FAILED: abort"),
                        ]
                    ),
                ),
                (
                    "age",
                    models.DurationField(help_text="Days and hours:minutes:seconds, such as 30 00:00:00."),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("actor", "state"),
                        name="retention_one_rule_per_actor_and_state",
                        violation_error_message="There is a rule for this actor and state.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["COMPLETED", "TIMED_OUT", "ABORTED", "FAILED"])),
                        name="retention_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("age__gt", timedelta(0))),
                        name="retention_age_is_positive",
                        violation_error_message="The age must be more than zero.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("actor__contains", "#"), _negated=True),
                            models.Q(("actor__contains", "@"), _negated=True),
                        ),
                        name="retention_actor_has_no_version",
                        violation_error_message=(
                            "A rule is for all versions and task lists of an actor: give its name only."
                        ),
                    ),
                ],
            },
        ),
    ]
