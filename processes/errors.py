"""What can be wrong with processes and values. Every error leaves state unchanged."""

from __future__ import annotations

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


class Refused(ProcessesError):
    """The state of the process does not allow this."""

    def __init__(self, process_id: UUID, state: str | None = None) -> None:
        state_told = f" (it is {state})" if state else ""
        super().__init__(f"{type(self).__doc__} Process {process_id}{state_told}.")
        self.process_id = process_id
        self.state = state


class NoSuchProcess(Refused):
    """There is no such process."""


class AlreadyEnded(Refused):
    """The process has ended already."""


class NotEnded(Refused):
    """The process has not ended yet."""
