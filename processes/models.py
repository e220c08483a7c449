"""Rows of processes: the process itself, the tombstone of its identity, the events of its history."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from processes.states import FINAL_STATES, STANDSTILLS, ProcessState
from processes.values import decode

__all__ = ["Event", "Process", "ProcessState", "Tombstone"]


def new_id() -> UUID:
    """A fresh UUIDv7: ids sort by the time they were made."""
    return uuid7()


class StartToEndPolicy(models.TextChoices):
    """What happens when a process has used up its start-to-end time."""

    TIME_OUT = "time_out"
    ALERT = "alert"


class Process(models.Model):
    """One durable run of a workflow. Its row is the truth about it.

    `arguments`, `result` and `failure` hold values as JSON text (see `processes.values`).
    The root task of a process has the same id as the process.
    `deadline_at` is when the start-to-end time is used up, on the clock that stands while everything is paused; in a
    standstill `start_to_end_left` is what is left of it. `deletion_began_at` marks one that is being deleted.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    custom_id = models.TextField(null=True)
    former_custom_id = models.TextField(null=True)
    actor = models.TextField()
    kind = models.TextField()
    arguments = models.TextField()
    options = models.TextField(default="{}")
    attributes = models.JSONField(default=dict)
    state = models.TextField(choices=ProcessState, default=ProcessState.REGISTERING)
    open_tasks = models.IntegerField(default=0, db_default=0)
    start_to_end = models.DurationField(null=True)
    on_start_to_end = models.TextField(
        choices=StartToEndPolicy, default=StartToEndPolicy.TIME_OUT, db_default="time_out"
    )
    deadline_at = models.DateTimeField(null=True)
    start_to_end_left = models.DurationField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    registered_at = models.DateTimeField(null=True)
    stood_still_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    result = models.TextField(null=True)
    failure = models.TextField(null=True)
    failed_task_id = models.UUIDField(null=True)
    restarted_as = models.UUIDField(null=True)
    deletion_began_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "processes"
        permissions = [
            ("abort_process", "Can abort processes"),
            ("pause_process", "Can pause and resume processes"),
            ("restart_process", "Can restart processes"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["custom_id"],
                condition=models.Q(custom_id__isnull=False),
                name="process_custom_id_is_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ProcessState.values),
                name="process_state_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=FINAL_STATES, ended_at__isnull=False)
                | (~models.Q(state__in=FINAL_STATES) & models.Q(ended_at__isnull=True)),
                name="process_ended_at_exactly_when_final",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=STANDSTILLS, stood_still_at__isnull=False)
                | (~models.Q(state__in=STANDSTILLS) & models.Q(stood_still_at__isnull=True)),
                name="process_stood_still_at_exactly_in_standstill",
            ),
            models.CheckConstraint(
                condition=models.Q(open_tasks__gte=0),
                name="process_open_tasks_not_negative",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=FINAL_STATES) | models.Q(open_tasks=0),
                name="process_final_has_no_open_task",
            ),
            models.CheckConstraint(
                condition=models.Q(state=ProcessState.COMPLETED, result__isnull=False)
                | (~models.Q(state=ProcessState.COMPLETED) & models.Q(result__isnull=True)),
                name="process_result_exactly_when_completed",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=ProcessState.FAILED) | models.Q(failure__isnull=False),
                name="process_failed_names_its_failure",
            ),
            models.CheckConstraint(
                condition=models.Q(registered_at__isnull=False)
                | ~models.Q(state__in=[ProcessState.RUNNING, ProcessState.PAUSED, ProcessState.COMPLETED]),
                name="process_runs_only_when_registered",
            ),
            models.CheckConstraint(
                condition=models.Q(restarted_as__isnull=True)
                | (models.Q(custom_id__isnull=True) & models.Q(state__in=FINAL_STATES)),
                name="process_restarted_gave_up_its_custom_id",
            ),
            models.CheckConstraint(
                condition=models.Q(deadline_at__isnull=True) | models.Q(start_to_end__isnull=False),
                name="process_deadline_comes_from_start_to_end",
            ),
            models.CheckConstraint(
                condition=models.Q(start_to_end_left__isnull=True)
                | models.Q(deadline_at__isnull=True, start_to_end__isnull=False),
                name="process_clock_stands_or_runs",
            ),
            models.CheckConstraint(
                condition=models.Q(deletion_began_at__isnull=True) | models.Q(state__in=FINAL_STATES),
                name="process_deleted_only_when_final",
            ),
            models.CheckConstraint(
                condition=models.Q(on_start_to_end__in=StartToEndPolicy.values),
                name="process_start_to_end_policy_is_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["deadline_at"],
                name="process_start_to_end",
                condition=models.Q(deadline_at__isnull=False, state=ProcessState.RUNNING),
            ),
            models.Index(fields=["state", "id"], name="process_by_state"),
            models.Index(
                fields=["state", "actor", "ended_at"],
                name="process_ended",
                condition=models.Q(ended_at__isnull=False),
            ),
            models.Index(
                fields=["actor", "stood_still_at"],
                name="process_failed",
                condition=models.Q(state=ProcessState.FAILED),
            ),
            models.Index(
                fields=["deletion_began_at"],
                name="process_being_deleted",
                condition=models.Q(deletion_began_at__isnull=False),
            ),
            models.Index(
                fields=["restarted_as"],
                name="process_predecessor",
                condition=models.Q(restarted_as__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.custom_id or str(self.id)

    @property
    def is_final(self) -> bool:
        """Whether the process has ended; nothing changes it any more."""
        return self.state in FINAL_STATES

    @property
    def value(self) -> object:
        """The decoded result of a COMPLETED process; None before."""
        return None if self.result is None else decode(self.result)


class Tombstone(models.Model):
    """The identity of a deleted process: its `custom_id` stays taken."""

    custom_id = models.TextField(primary_key=True)
    process_id = models.UUIDField()
    actor = models.TextField()
    arguments_hash = models.TextField()
    state = models.TextField(choices=ProcessState)
    deleted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=FINAL_STATES),
                name="tombstone_state_is_final",
            ),
        ]

    def __str__(self) -> str:
        return self.custom_id


class Event(models.Model):
    """What happened to a process beyond its rows: a refused release, a rescue, an operator's act.

    Append-only. Written in the transaction of what it tells, so it is there exactly if that happened. An act that
    concerns no process (an actor is blocked) has no `process_id`. `request_id` is the client's own name of an act: a
    repeated one finds this row, and with it the first answer.
    """

    id = models.BigAutoField(primary_key=True)
    process_id = models.UUIDField(null=True)
    task_id = models.UUIDField(null=True)
    kind = models.TextField()
    detail = models.JSONField(default=dict)
    by = models.TextField(default="")
    request_id = models.TextField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request_id"],
                condition=models.Q(request_id__isnull=False),
                name="event_request_id_is_unique",
            ),
        ]
        indexes = [
            models.Index(fields=["process_id", "id"], name="event_history"),
            models.Index(fields=["kind", "id"], name="event_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.task_id or self.process_id}"
