"""Rows of recovery: when each scan last ran, and how long what has ended is kept.

What scans found and did are events of the processes.
"""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from processes.states import ProcessState


class ScanRun(models.Model):
    """The last run of one recovery scan."""

    name = models.TextField(primary_key=True)
    ran_at = models.DateTimeField()
    found = models.IntegerField()
    ran_by = models.TextField()

    def __str__(self) -> str:
        return self.name


class RetainedState(models.TextChoices):
    """The states that a retention rule may be about, and what becomes of such a process."""

    COMPLETED = ProcessState.COMPLETED.value, "COMPLETED: delete"
    TIMED_OUT = ProcessState.TIMED_OUT.value, "TIMED_OUT: delete"
    ABORTED = ProcessState.ABORTED.value, "ABORTED: delete"
    FAILED = ProcessState.FAILED.value, "FAILED: abort"


class RetentionRule(models.Model):
    """How long processes in a state are kept. What no rule is about is kept for ever.

    `actor` is the name of the root's actor, for all its versions and task lists; empty is for every actor that has no
    rule of its own for this state. The age of a final process counts from its end: then it is deleted. That of a
    FAILED one counts from when it came to stand still: then it is aborted, never deleted.
    """

    actor = models.TextField(blank=True, default="", help_text="Name without #version; empty: every other actor.")
    state = models.TextField(choices=RetainedState)
    age = models.DurationField(help_text="Days and hours:minutes:seconds, such as 30 00:00:00.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["actor", "state"],
                name="retention_one_rule_per_actor_and_state",
                violation_error_message="There is a rule for this actor and state.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=RetainedState.values),
                name="retention_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(age__gt=timedelta(0)),
                name="retention_age_is_positive",
                violation_error_message="The age must be more than zero.",
            ),
            models.CheckConstraint(
                condition=~Q(actor__contains="#") & ~Q(actor__contains="@"),
                name="retention_actor_has_no_version",
                violation_error_message="A rule is for all versions and task lists of an actor: give its name only.",
            ),
        ]

    def __str__(self) -> str:
        deed = "aborted" if self.state == RetainedState.FAILED else "deleted"
        return f"{self.state} of {self.actor or 'every other actor'}: {deed} after {self.age}"
