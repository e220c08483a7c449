"""How an actor is called and how a call of it is treated: names, retries, timeouts, acceptance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import orjson

from tasks.errors import InvalidActorName, InvalidOption

NAME = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(#(?P<version>[\w.-]+))?(@(?P<task_list>[\w.-]+))?", re.ASCII)
ALONE = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
LABEL = re.compile(r"[\w.-]+", re.ASCII)
DEFAULT_VERSION = "1.0"
DEFAULT_PRIORITY = 5
LONGEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class ActorName:
    """Which actor: `name#version`, optionally bound to a task list: `name#version@list`. Raises InvalidActorName."""

    name: str
    version: str = DEFAULT_VERSION
    task_list: str = ""

    def __post_init__(self) -> None:
        for part, text, pattern in (
            ("name", self.name, ALONE),
            ("version", self.version, LABEL),
            ("task list", "none" if self.task_list == "" else self.task_list, LABEL),
        ):
            if not isinstance(text, str) or pattern.fullmatch(text) is None:
                raise InvalidActorName(f"{text!r} cannot be the {part} of an actor: name#version or name#version@list")

    def __str__(self) -> str:
        return f"{self.code}@{self.task_list}" if self.task_list else self.code

    @property
    def code(self) -> str:
        """The name without the task list: which code it is, wherever it runs."""
        return f"{self.name}#{self.version}"

    @staticmethod
    @lru_cache(maxsize=10_000)
    def parse(text: str) -> ActorName:
        """The name written in `text`; a missing version is 1.0. Raises InvalidActorName."""
        match = NAME.fullmatch(text)
        if match is None:
            raise InvalidActorName(f"{text!r} is no actor name: name#version or name#version@list")
        return ActorName(match["name"], match["version"] or DEFAULT_VERSION, match["task_list"] or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a failing task is tried, and how long it waits in between.

    The pause after try n is `initial * factor ** (n - 1)`, at most `max_interval`, give or take `jitter` (a part of
    it). Errors of the types in `give_up_on` end the task at once. Raises InvalidOption.
    """

    max_attempts: int = 3
    initial: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    max_interval: timedelta = timedelta(minutes=1)
    jitter: float = 0.1
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if type(self.max_attempts) is not int or not 1 <= self.max_attempts <= 1_000_000:
            raise InvalidOption("max_attempts must be a whole number from 1 to 1,000,000")
        check_duration("initial", self.initial, shortest=timedelta(0))
        check_duration("max_interval", self.max_interval, shortest=timedelta(0))
        if not isinstance(self.factor, int | float) or not 1 <= self.factor <= 1000:
            raise InvalidOption("factor must be a number from 1 to 1000")
        if not isinstance(self.jitter, int | float) or not 0 <= self.jitter <= 1:
            raise InvalidOption("jitter must be a number from 0 to 1")
        if type(self.give_up_on) is not tuple or not all(map(_is_error, self.give_up_on)):
            raise InvalidOption("give_up_on must be a tuple of exception types")

    def delay(self, tries: int, chance: float) -> timedelta:
        """The pause after `tries` failed tries; `chance` from 0 to 1 places it within the jitter."""
        longest = self.max_interval.total_seconds()
        steps = min(tries - 1, 1000)
        try:
            pause = min(self.initial.total_seconds() * self.factor**steps, longest)
        except OverflowError:
            pause = longest
        return timedelta(seconds=pause * (1 + self.jitter * (2 * chance - 1)))

    def to_json(self) -> str:
        """As JSON text, without `give_up_on`, which stays with the code."""
        return orjson.dumps(
            {
                "max_attempts": self.max_attempts,
                "initial": self.initial.total_seconds(),
                "factor": self.factor,
                "max_interval": self.max_interval.total_seconds(),
                "jitter": self.jitter,
            }
        ).decode()

    @staticmethod
    @lru_cache(maxsize=10_000)
    def from_json(text: str) -> Retry:
        """The policy that `to_json` wrote."""
        stored = orjson.loads(text)
        return Retry(
            max_attempts=stored["max_attempts"],
            initial=timedelta(seconds=stored["initial"]),
            factor=stored["factor"],
            max_interval=timedelta(seconds=stored["max_interval"]),
            jitter=stored["jitter"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Everything that a task is told when it is made. Durations are timedeltas; None means no bound.

    `start_in` counts from the call, `start_at` is an aware time; not both. `retry` is kept only where it differs
    from the actor's own policy.
    """

    poll_to_end: timedelta
    heartbeat: timedelta
    max_attempts: int = 3
    retry: Retry | None = None
    priority: int = DEFAULT_PRIORITY
    enqueue_to_end: timedelta | None = None
    on_enqueue_to_end: Literal["fail", "alert"] = "fail"
    on_lease_lost: Literal["retry", "fail"] = "retry"
    accept_failure: bool = False
    accepts_failures: bool = False
    start_in: timedelta | None = None
    start_at: datetime | None = None

    def __post_init__(self) -> None:
        check_duration("poll_to_end", self.poll_to_end)
        check_duration("heartbeat", self.heartbeat)
        check_duration("enqueue_to_end", self.enqueue_to_end, optional=True)
        check_duration("start_in", self.start_in, shortest=timedelta(0), optional=True)
        if type(self.max_attempts) is not int or self.max_attempts < 1:
            raise InvalidOption("max_attempts must be a whole number from 1 on")
        if type(self.priority) is not int or not 0 <= self.priority <= 9:
            raise InvalidOption("priority must be a whole number from 0 (first) to 9 (last)")
        if self.on_enqueue_to_end not in ("fail", "alert"):
            raise InvalidOption('on_enqueue_to_end must be "fail" or "alert"')
        if self.on_lease_lost not in ("retry", "fail"):
            raise InvalidOption('on_lease_lost must be "retry" or "fail"')
        if self.start_at is not None and (not isinstance(self.start_at, datetime) or self.start_at.tzinfo is None):
            raise InvalidOption("start_at must be a datetime with a time zone")
        if self.start_in is not None and self.start_at is not None:
            raise InvalidOption("start_in and start_at exclude each other")
        for flag in (self.accept_failure, self.accepts_failures):
            if type(flag) is not bool:
                raise InvalidOption("accept_failure and accepts_failures must be True or False")

    def to_record(self) -> dict[str, Any]:
        """As columns for the statements that insert tasks: durations in seconds."""
        return {
            "poll_to_end": self.poll_to_end.total_seconds(),
            "heartbeat": self.heartbeat.total_seconds(),
            "max_attempts": self.max_attempts,
            "retry": self.retry.to_json() if self.retry is not None else None,
            "priority": self.priority,
            "enqueue_to_end": _seconds(self.enqueue_to_end),
            "on_enqueue_to_end": self.on_enqueue_to_end,
            "on_lease_lost": self.on_lease_lost,
            "accept_failure": self.accept_failure,
            "accepts_failures": self.accepts_failures,
            "start_in": _seconds(self.start_in),
            "start_at": self.start_at.isoformat() if self.start_at is not None else None,
        }

    def to_json(self) -> str:
        """As JSON text: the record."""
        return orjson.dumps(self.to_record()).decode()

    @staticmethod
    def from_json(text: str) -> CallOptions:
        """The options that `to_json` wrote. Raises InvalidOption for any other text."""
        try:
            stored = orjson.loads(text)
            for name in ("poll_to_end", "heartbeat", "enqueue_to_end", "start_in"):
                stored[name] = timedelta(seconds=stored[name]) if stored[name] is not None else None
            stored["retry"] = Retry.from_json(stored["retry"]) if stored["retry"] is not None else None
            stored["start_at"] = datetime.fromisoformat(stored["start_at"]) if stored["start_at"] is not None else None
            return CallOptions(**stored)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InvalidOption(f"not stored options: {error}") from error


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None


def check_duration(
    name: str, duration: object, *, shortest: timedelta = timedelta(microseconds=1), optional: bool = False
) -> None:
    """Raise InvalidOption where a duration is none, or shorter or longer than makes sense."""
    if duration is None and optional:
        return
    if not isinstance(duration, timedelta) or not shortest <= duration <= LONGEST:
        raise InvalidOption(f"{name} must be a timedelta from {shortest} to {LONGEST.days} days")
