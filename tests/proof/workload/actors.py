"""The actors of flows. What a call does is said by its mode; what it was handed is told to the history.

A worker draws a nonce in each attempt and returns it with its digest, so that whoever is handed the value tells which
attempt it comes from.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any
from uuid import UUID

from processes.failures import Failure
from tasks.actors import Actor, Retry, Snooze, current_task, decider, external, heartbeat, worker
from tasks.actors import sleep as timer
from tests.proof import history
from tests.proof.language import (
    FIRST_PAUSE_SECONDS,
    JITTER,
    LONGEST_PAUSE_SECONDS,
    MAX_ATTEMPTS,
    OVERSLEPT_SECONDS,
    PAUSE_FACTOR,
    ROOT,
    SNOOZE_SECONDS,
    TIMER,
    Body,
    Call,
    Flow,
    Ref,
    digest,
)
from tests.proof.workload import moments
from tests.proof.workload.models import Effect


class Refusal(Exception):
    """What fails with this is given up on at once."""


class Stumble(Exception):
    """What fails with this is tried again."""


PATIENT = Retry(
    max_attempts=MAX_ATTEMPTS,
    initial=timedelta(seconds=FIRST_PAUSE_SECONDS),
    factor=PAUSE_FACTOR,
    max_interval=timedelta(seconds=LONGEST_PAUSE_SECONDS),
    jitter=JITTER,
    give_up_on=(Refusal,),
)


@decider(retry=PATIENT)
def run(flow: Flow) -> Any:
    return _performed("decision", ROOT, "works", [], lambda: _decided(flow, ROOT, []))


@decider(retry=PATIENT)
def decide(key: str, call: Call, inputs: list[Any]) -> Any:
    def act() -> Any:
        _misbehave(call)
        assert call["body"] is not None
        return _decided(call["body"], key, inputs)

    return _performed("decision", key, call["mode"], inputs, act)


@worker(retry=PATIENT)
def a(key: str, call: Call, inputs: list[Any]) -> list[str]:
    return _worked(key, call, inputs)


@worker(retry=PATIENT)
def b(key: str, call: Call, inputs: list[Any]) -> list[str]:
    return _worked(key, call, inputs)


@worker(retry=PATIENT)
def c(key: str, call: Call, inputs: list[Any]) -> list[str]:
    return _worked(key, call, inputs)


@worker(retry=PATIENT, accepts_failures=True)
def judge(key: str, call: Call, inputs: list[Any]) -> list[str]:
    return _worked(key, call, inputs)


@worker(retry=PATIENT, transactional=True)
def book(key: str, call: Call, inputs: list[Any]) -> list[str]:
    return _worked(key, call, inputs, transactional=True)


@external
def form(key: str, call: Call, inputs: list[Any]) -> list[str]:
    raise NotImplementedError


ACTORS: dict[str, Actor[..., Any]] = {actor.function.__name__: actor for actor in (a, b, c, judge, book, form, decide)}


def told(value: Any) -> Any:
    """A value as a history tells it: a Failure by its type."""
    if isinstance(value, Failure):
        return {"failure": value.type}
    return [told(each) for each in value] if isinstance(value, list) else value


def draw_nonce() -> str:
    """What tells one attempt from another."""
    return f"n-{secrets.token_hex(8)}"


def is_cured(process_id: UUID) -> bool:
    """Whether those of a process that refuse until it is cured refuse no longer."""
    return Path(os.environ.get(history.FOLDER, os.devnull), "cures", str(process_id)).exists()


def _decided(body: Body, key: str, inputs: list[Any]) -> Any:
    """Call what a body calls; return what it returns."""
    promises: list[Any] = []
    for index, call in enumerate(body["calls"]):
        after = [promises[each] for each in call["after"]]
        if call["actor"] == TIMER:
            promises.append(timer(timedelta(seconds=call["start_in"] or 0.0)))
            continue
        handed = [_resolved(ref, inputs, promises) for ref in call["inputs"]]
        bound = ACTORS[call["actor"]].options(after=after, **_options(call))
        promises.append(bound(f"{key}.{index}", _carried(call), handed))
    return _resolved(body["returns"], inputs, promises)


def _resolved(ref: Ref, inputs: list[Any], promises: list[Any]) -> Any:
    if "all" in ref:
        return [_resolved(each, inputs, promises) for each in ref["all"]]
    if "call" in ref:
        return promises[ref["call"]]
    return inputs[ref["input"]] if "input" in ref else ref["value"]


def _options(call: Call) -> dict[str, Any]:
    durations = {"start_in": call["start_in"], "enqueue_to_end": call["budget"], "poll_to_end": call["poll_to_end"]}
    options = {name: timedelta(seconds=seconds) for name, seconds in durations.items() if seconds is not None}
    priority = {} if call["priority"] is None else {"priority": call["priority"]}
    return {"accept_failure": call["accept"], **options, **priority}


def _carried(call: Call) -> dict[str, Any]:
    """What an actor needs to know of its call."""
    return {name: call[name] for name in ("mode", "times", "sleep", "body")}


def _worked(key: str, call: Call, inputs: list[Any], *, transactional: bool = False) -> list[str]:
    def act() -> list[str]:
        task = current_task()
        _misbehave(call)
        sleep(call["sleep"])
        nonce = draw_nonce()
        history.write("effect", task=task.id, attempt=task.attempt, nonce=nonce)
        if transactional:
            Effect.objects.create(task_id=task.id, attempt=task.attempt, nonce=nonce)
        moments.reach("user_code.transactional" if transactional else "user_code")
        return [digest(key, told(inputs)), nonce]

    value: list[str] = _performed("value", key, call["mode"], inputs, act)
    return value


def _misbehave(call: Call) -> None:
    """Do what the mode of a call says before it works."""
    task = current_task()
    match call["mode"]:
        case "stumbles" if task.tries < call["times"]:
            raise Stumble(f"try {task.tries}")
        case "snoozes":
            # Counted by details, which survive attempts that are lost; attempts would count those, too.
            slept = int(str(task.last_details or 0))
            if slept < call["times"]:
                heartbeat(slept + 1)
                raise Snooze(timedelta(seconds=SNOOZE_SECONDS))
        case "oversleeps" if task.attempt == 1:
            sleep(OVERSLEPT_SECONDS)
        case "refuses":
            raise Refusal("for good")
        case "refuses_until_cured" if not is_cured(task.process_id):
            raise Refusal("not cured")


def _performed(how: str, key: str, mode: str, inputs: list[Any], act: Callable[[], Any]) -> Any:
    """Act, and tell the history how it began and ended; `how` is what it ends with if it goes well."""
    task = current_task()
    its = {"task": task.id, "attempt": task.attempt}
    history.write("began", **its, process=task.process_id, tries=task.tries, key=key, mode=mode, handed=told(inputs))
    ending: dict[str, Any] = {"how": how, "value": None, "pause": None, "error": None}
    try:
        value = act()
    except Snooze as snooze:
        history.write("ended", **its, **ending | {"how": "snooze", "pause": snooze.delay.total_seconds()})
        raise
    except Exception as error:
        pause = None if isinstance(error, Refusal) else _least_pause(task.tries + 1)
        history.write("ended", **its, **ending | {"how": "error", "pause": pause, "error": Failure.of(error).type})
        raise
    history.write("ended", **its, **ending | ({"value": value} if how == "value" else {}))
    return value


def _least_pause(tries: int) -> float | None:
    """The least seconds from a failed try to the next one; None where there is none."""
    if tries >= MAX_ATTEMPTS:
        return None
    longest = min(FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (tries - 1), LONGEST_PAUSE_SECONDS)
    return longest * (1 - JITTER)
