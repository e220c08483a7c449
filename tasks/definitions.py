"""What the code says of an actor, in words: for people who look at it from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from inspect import Signature
from typing import Any

from tasks.declaring import Actor
from tasks.policies import Retry


@dataclass(frozen=True, slots=True)
class Definition:
    """An actor as its code declares it."""

    name: str
    kind: str
    signature: str
    module: str
    function: str
    flags: tuple[str, ...]
    retry: str
    clocks: str
    priority: int
    summary: str


def definition(actor: Actor[..., Any]) -> Definition:
    """How the code at hand declares `actor`."""
    documented = (actor.function.__doc__ or "").strip()
    return Definition(
        name=str(actor.actor_name),
        kind=actor.kind,
        signature=_signature(actor.signature),
        module=actor.function.__module__,
        function=actor.function.__qualname__,
        flags=_flags(actor),
        retry=_retry(actor.retry),
        clocks=_clocks(actor),
        priority=actor.defaults.priority,
        summary=documented.partition("\n")[0],
    )


class _Bare(str):
    """An annotation that is shown as it was written, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(signature: Signature) -> str:
    parameters = [each.replace(annotation=_bare(each.annotation)) for each in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=_bare(signature.return_annotation)))


def _bare(annotation: object) -> object:
    return _Bare(annotation) if isinstance(annotation, str) else annotation


def _flags(actor: Actor[..., Any]) -> tuple[str, ...]:
    raised = {
        "transactional": actor.transactional,
        "remote": actor.remote,
        "accepts_failures": actor.defaults.accepts_failures,
    }
    return tuple(flag for flag, is_raised in raised.items() if is_raised)


def _retry(retry: Retry) -> str:
    if retry.max_attempts == 1:
        return "1 attempt"
    pauses = f"pauses from {_seconds(retry.initial)}, × {retry.factor:g}, to {_seconds(retry.max_interval)}"
    given_up = ", ".join(error.__name__ for error in retry.give_up_on)
    return f"{retry.max_attempts} attempts, {pauses}" + (f", none after {given_up}" if given_up else "")


def _clocks(actor: Actor[..., Any]) -> str:
    options = actor.call_options
    budget = (
        f"{_seconds(options.enqueue_to_end)} (then {options.on_enqueue_to_end})" if options.enqueue_to_end else "none"
    )
    if actor.kind == "external":
        return f"enqueue to end {budget}"
    attempt = f"poll to end {_seconds(options.poll_to_end)}, heartbeat {_seconds(options.heartbeat)}"
    return f"{attempt} (then {options.on_lease_lost}), enqueue to end {budget}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"
