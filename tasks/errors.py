"""What can be wrong with calls, decisions, starts and tasks. Every error leaves state unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from processes.errors import Refused


class TasksError(Exception):
    """Something is wrong with a task or a call."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class InvalidActorName(TasksError):
    """An actor name is written name#version or name#version@list."""


class InvalidActor(TasksError):
    """An actor cannot be declared like this."""


class InvalidOption(TasksError):
    """An option of an actor or a call has no meaning."""


class InvalidCall(TasksError):
    """The arguments of a call do not fit the signature of the actor."""


class PromiseIsNotAValue(TasksError, TypeError):
    """A promise has no value yet: pass it to an actor, and the value arrives there."""


class NotResolved(TasksError):
    """The promise is not resolved."""


class ForeignPromise(TasksError):
    """A decision may name only tasks of its own and promises that it was given."""


class TooManyCalls(TasksError):
    """The decision calls more actors than allowed."""


class FailureNotAccepted(InvalidCall):
    """A promise that may deliver a Failure is handed to a worker that does not accept one."""


class NotInATask(TasksError):
    """Only a running actor has a current task."""


class InvalidStart(TasksError):
    """A process cannot be started like this."""


class StartConflict(TasksError):
    """The snapshot of the caller's transaction cannot see the process that has this custom_id: begin it anew."""


class OutcomeUnknown(TasksError):
    """The connection broke during COMMIT and the database stays unreachable: repeat with the same custom_id."""

    def __init__(self, process_ids: Sequence[UUID]) -> None:
        super().__init__()
        self.process_ids = tuple(process_ids)


class TaskRefused(Refused):
    """The state of the task does not allow this."""

    subject = "Task"


class NoSuchTask(TaskRefused):
    """There is no such task."""

    code = "no_such_task"


class NotFailed(TaskRefused):
    """Only a failed task can be restarted."""

    code = "not_failed"


class NothingFailed(Refused):
    """No task of the process stands failed."""

    code = "nothing_failed"


class FailureWasAccepted(TaskRefused):
    """The failure was accepted and delivered: the task cannot be restarted, only the process."""

    code = "failure_accepted"


class DependencyFailed(TaskRefused):
    """The task would fail again, for it is handed a failure: restart or abort the process."""

    code = "dependency_failed"


class NotExternal(TaskRefused):
    """Only a task of an external actor is completed from outside."""

    code = "not_external"


class NotReady(TaskRefused):
    """The task still waits for others, or for its time."""

    code = "not_ready"


class AlreadySettled(TaskRefused):
    """The task has another outcome already."""

    code = "already_settled"


class ActorRefused(Refused):
    """The actor does not allow this."""

    subject = "Actor"


class AlreadyBlocked(ActorRefused):
    """The actor is blocked already."""

    code = "already_blocked"


class NotBlocked(ActorRefused):
    """The actor is not blocked."""

    code = "not_blocked"
