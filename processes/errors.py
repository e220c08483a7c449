"""What can be wrong with processes and values. Every error leaves state unchanged."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID


class ProcessesError(Exception):
    """Something is wrong with a process or a value."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class ValueRefused(ProcessesError):
    """A value cannot be stored."""


class NotStorable(ValueRefused):
    """The value, or something in it, has a type or content that would not survive the trip unchanged."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ValueTooLarge(ValueRefused):
    """The value takes more bytes than allowed."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the value takes {size:,} bytes; {limit:,} are allowed")
        self.size = size
        self.limit = limit


class NotReadable(ProcessesError):
    """A stored text is no value."""


class NotJson(ProcessesError):
    """What was sent is no JSON, or says two things at once."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class InvalidOrder(ProcessesError):
    """Who does it, why, and the request id are text without NUL: 255 characters, the reason 2000."""


class RequestIdTaken(ProcessesError):
    """This request id names another act."""


class Refused(ProcessesError):
    """The state of the process does not allow this.

    `code` is the same in Python, on the command line and over REST.
    """

    code: ClassVar[str] = "refused"
    subject: ClassVar[str] = "Process"

    def __init__(self, subject_id: UUID | str, state: str | None = None) -> None:
        state_told = f" (it is {state})" if state else ""
        super().__init__(f"{type(self).__doc__} {self.subject} {subject_id}{state_told}.")
        self.subject_id = subject_id
        self.state = state


class NoSuchProcess(Refused):
    """There is no such process."""

    code = "no_such_process"


class AlreadyEnded(Refused):
    """The process has ended already."""

    code = "already_ended"


class NotEnded(Refused):
    """The process has not ended yet."""

    code = "not_ended"


class NotRunning(Refused):
    """Only a running process can be paused."""

    code = "not_running"


class NotPaused(Refused):
    """The process is not paused."""

    code = "not_paused"


class AlreadyRestarted(Refused):
    """The process was restarted already; its successor is in `restarted_as`."""

    code = "already_restarted"

    def __init__(self, subject_id: UUID, state: str, restarted_as: UUID) -> None:
        super().__init__(subject_id, f"{state}, restarted as {restarted_as}")
        self.restarted_as = restarted_as


class BeingDeleted(Refused):
    """The process is being deleted."""

    code = "being_deleted"
