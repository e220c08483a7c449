"""Rows of the engine: the task, what it waits for, what is known of its actor and of the worker processes."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from processes.models import Process, new_id
from tasks.states import BUDGETED_STATES, ENDED_STATES, TaskState

__all__ = ["EVERYTHING", "ActorStatus", "Dependency", "Kind", "Task", "TaskState", "WorkerProcess"]


class Kind(models.TextChoices):
    """What sort of actor a task calls; it says which outcomes the task may have."""

    WORKER = "worker"
    DECIDER = "decider"
    EXTERNAL = "external"


class LeasePolicy(models.TextChoices):
    """What happens to a task whose lease ran out."""

    RETRY = "retry"
    FAIL = "fail"


class BudgetPolicy(models.TextChoices):
    """What happens to a task whose enqueue-to-end time is used up."""

    FAIL = "fail"
    ALERT = "alert"


class DelayReason(models.TextChoices):
    """Why a task is DELAYED."""

    LATER = "later"
    RETRY = "retry"
    SNOOZE = "snooze"
    INCOMPATIBLE_CODE = "incompatible_code"


class Task(models.Model):
    """One call of one actor with given arguments. Its row is the truth about it.

    Values are JSON text (see `processes.values`); arguments hold references to other tasks, never copies
    of their values. `value_from` names the task whose value is this one's: while DECIDED the promise that
    the decider returned, afterwards the task where the value really stands.
    `(id, attempt)` is the fencing token of a lease.
    `deadline_at` is when the enqueue-to-end time is used up, on the clock of the actor, which stands while the actor
    is blocked (see `ActorStatus`); in a standstill `budget_left` is what is left of it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    process = models.ForeignKey(Process, on_delete=models.DO_NOTHING, related_name="tasks")
    parent_id = models.UUIDField(null=True)
    actor = models.TextField()
    kind = models.TextField(choices=Kind)
    arguments = models.TextField()
    state = models.TextField(choices=TaskState, default=TaskState.WAITING)
    priority = models.SmallIntegerField(default=5, db_default=5)
    created_at = models.DateTimeField(db_default=Now())

    pending = models.IntegerField(default=0, db_default=0)
    failed_input = models.UUIDField(null=True)
    accept_failure = models.BooleanField(default=False, db_default=False)
    accepts_failures = models.BooleanField(default=False, db_default=False)

    due_at = models.DateTimeField(null=True)
    delay_reason = models.TextField(choices=DelayReason, null=True)
    enqueued_at = models.DateTimeField(null=True)
    enqueue_to_end = models.DurationField(null=True)
    on_enqueue_to_end = models.TextField(choices=BudgetPolicy, default=BudgetPolicy.FAIL, db_default="fail")
    deadline_at = models.DateTimeField(null=True)
    budget_left = models.DurationField(null=True)

    attempt = models.IntegerField(default=0, db_default=0)
    released_attempt = models.IntegerField(null=True)
    tries = models.IntegerField(default=0, db_default=0)
    max_attempts = models.IntegerField(default=3, db_default=3)
    retry = models.TextField(null=True)
    alone = models.BooleanField(default=False, db_default=False)

    polled_at = models.DateTimeField(null=True)
    poll_to_end = models.DurationField()
    heartbeat = models.DurationField()
    on_lease_lost = models.TextField(choices=LeasePolicy, default=LeasePolicy.RETRY, db_default="retry")
    poll_ends_at = models.DateTimeField(null=True)
    lease_ends_at = models.DateTimeField(null=True)
    batch_size = models.IntegerField(null=True)
    worker = models.TextField(null=True)
    details = models.TextField(null=True)

    value_from = models.UUIDField(null=True)
    result = models.TextField(null=True)
    failure = models.TextField(null=True)
    failure_accepted = models.BooleanField(default=False, db_default=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("restart_task", "Can restart failed tasks"),
            ("complete_task", "Can complete and fail external tasks"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=TaskState.values), name="task_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="task_kind_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=ENDED_STATES, ended_at__isnull=False)
                | (~Q(state__in=ENDED_STATES) & Q(ended_at__isnull=True)),
                name="task_ended_at_exactly_when_ended",
            ),
            models.CheckConstraint(
                condition=Q(
                    state=TaskState.POLLED,
                    lease_ends_at__isnull=False,
                    poll_ends_at__isnull=False,
                    batch_size__isnull=False,
                )
                | (
                    ~Q(state=TaskState.POLLED)
                    & Q(lease_ends_at__isnull=True, poll_ends_at__isnull=True, batch_size__isnull=True)
                ),
                name="task_lease_exactly_when_polled",
            ),
            models.CheckConstraint(
                condition=Q(pending=0) | (Q(pending__gt=0) & Q(state__in=[TaskState.WAITING, TaskState.CANCELLED])),
                name="task_pending_only_while_waiting",
            ),
            models.CheckConstraint(
                condition=~Q(state=TaskState.DELAYED) | Q(due_at__isnull=False, delay_reason__isnull=False),
                name="task_delayed_has_due_at",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[TaskState.ENQUEUED, TaskState.POLLED]) | Q(enqueued_at__isnull=False),
                name="task_enqueued_at_when_enqueued",
            ),
            models.CheckConstraint(
                condition=~Q(state=TaskState.DECIDED)
                | Q(kind=Kind.DECIDER, value_from__isnull=False, result__isnull=True),
                name="task_decided_is_decider_with_promise",
            ),
            models.CheckConstraint(
                condition=~Q(state=TaskState.COMPLETED)
                | Q(result__isnull=False, value_from__isnull=True)
                | Q(result__isnull=True, value_from__isnull=False),
                name="task_completed_has_one_value",
            ),
            models.CheckConstraint(
                condition=Q(result__isnull=True) | Q(state=TaskState.COMPLETED),
                name="task_result_only_when_completed",
            ),
            models.CheckConstraint(
                condition=~Q(state=TaskState.FAILED) | Q(failure__isnull=False) | Q(value_from__isnull=False),
                name="task_failed_has_failure",
            ),
            models.CheckConstraint(
                condition=Q(failure_accepted=False) | Q(state=TaskState.FAILED),
                name="task_accepted_failure_is_failed",
            ),
            models.CheckConstraint(
                condition=~Q(kind=Kind.EXTERNAL) | ~Q(state__in=[TaskState.POLLED, TaskState.DECIDED]),
                name="task_external_is_never_polled",
            ),
            models.CheckConstraint(condition=Q(priority__gte=0, priority__lte=9), name="task_priority_between_0_and_9"),
            models.CheckConstraint(
                condition=Q(tries__gte=0, tries__lte=models.F("attempt"), max_attempts__gte=1),
                name="task_tries_at_most_attempts",
            ),
            models.CheckConstraint(
                condition=Q(deadline_at__isnull=True) | Q(enqueue_to_end__isnull=False),
                name="task_deadline_comes_from_enqueue_to_end",
            ),
            models.CheckConstraint(
                condition=Q(on_lease_lost__in=LeasePolicy.values, on_enqueue_to_end__in=BudgetPolicy.values),
                name="task_policies_are_known",
            ),
            models.CheckConstraint(
                condition=Q(delay_reason__isnull=True) | Q(delay_reason__in=DelayReason.values),
                name="task_delay_reason_is_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["actor", "priority", "enqueued_at"],
                name="task_claim",
                condition=Q(state=TaskState.ENQUEUED) & ~Q(kind=Kind.EXTERNAL),
            ),
            models.Index(fields=["due_at"], name="task_due", condition=Q(state=TaskState.DELAYED)),
            models.Index(fields=["lease_ends_at"], name="task_lease", condition=Q(state=TaskState.POLLED)),
            models.Index(
                fields=["actor", "deadline_at"],
                name="task_enqueue_to_end",
                condition=Q(deadline_at__isnull=False, state__in=BUDGETED_STATES),
            ),
            models.Index(fields=["value_from"], name="task_value_from", condition=Q(state=TaskState.DECIDED)),
            models.Index(
                fields=["process"],
                name="task_unaccepted_failure",
                condition=Q(state=TaskState.FAILED, failure_accepted=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.id}"


class Dependency(models.Model):
    """The *waiter* needs the *awaited* task to be settled before it may run.

    `delivers_value` tells an argument from a mere `after`: only an argument can deliver a `Failure`.
    """

    id = models.BigAutoField(primary_key=True)
    process_id = models.UUIDField()
    waiter = models.ForeignKey(Task, on_delete=models.DO_NOTHING, related_name="awaits", db_index=False)
    awaited = models.ForeignKey(Task, on_delete=models.DO_NOTHING, related_name="waiters")
    delivers_value = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "dependencies"
        constraints = [
            models.UniqueConstraint(fields=["waiter", "awaited"], name="dependency_pair_is_unique"),
            models.CheckConstraint(condition=~Q(waiter=models.F("awaited")), name="dependency_not_on_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.waiter_id} awaits {self.awaited_id}"


EVERYTHING = "*"
"""The name under which `ActorStatus` keeps the block of all actors at once: everything is paused."""


class ActorStatus(models.Model):
    """What the engine knows of an actor beside its code: whether it is blocked, when it last polled.

    The clock of an actor stands while the actor is blocked, and while everything is paused: it shows the time
    without those times. `clock_stopped_at` is what the clock of the installation showed when the actor was blocked,
    `blocked_for` how long it was blocked before. So a block costs one row, however many tasks it concerns, and
    blocks that overlap count once. The SQL functions `tasks_installation_clock` and `tasks_actor_clock` read it.
    """

    name = models.TextField(primary_key=True)
    blocked_at = models.DateTimeField(null=True)
    clock_stopped_at = models.DateTimeField(null=True)
    blocked_for = models.DurationField(default=timedelta(0), db_default=timedelta(0))
    last_polled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "actor statuses"
        permissions = [("block_actor", "Can block and unblock actors, and pause and resume everything")]
        constraints = [
            models.CheckConstraint(
                condition=Q(blocked_at__isnull=True, clock_stopped_at__isnull=True)
                | Q(blocked_at__isnull=False, clock_stopped_at__isnull=False),
                name="actor_clock_stands_exactly_when_blocked",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WorkerProcess(models.Model):
    """A process that can hold leases: a child of a prefork pool, or the worker itself where its pool has none.

    Its side thread renews the row (`tasks/presence.py`); nothing but sight depends on it. `name` is what a lease has as
    its `worker`, `node` the name of the Celery worker, `actors` what it has the code of (`name#version`).
    """

    name = models.TextField(primary_key=True)
    host = models.TextField()
    pid = models.IntegerField()
    node = models.TextField()
    pool = models.TextField()
    queues = models.JSONField(default=list)
    actors = models.JSONField(default=list)
    held = models.IntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    heard_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return self.name
