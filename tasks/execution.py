"""Executes one claimed task: user code in, outcome out. Holds no transaction and no lock, and writes nothing.

Whatever user code does (raises anything, exits, returns what cannot be stored) ends that attempt alone.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from processes.failures import DEPENDENCY_FAILED, Failure
from tasks.arguments import Arguments, ArgumentsTooLarge, decode_arguments, encode_result
from tasks.builtins import collect
from tasks.context import CurrentTask, Snooze, running
from tasks.decisions import recording
from tasks.declaring import Actor
from tasks.outcomes import (
    Lease,
    Outcome,
    completed,
    decided,
    failed,
    incompatible,
    snoozed,
    to_be_retried,
)
from tasks.policies import Retry
from tasks.promises import Settled

log = logging.getLogger(__name__)

INCOMPATIBLE_AGAIN = timedelta(seconds=5)
"""After this long a task whose arguments did not fit the code at hand is offered to workers again."""


def execute(lease: Lease, actor: Actor[..., Any], values: Mapping[UUID, Settled], current: CurrentTask) -> Outcome:
    """Run the actor's code for one leased attempt and tell what it ended with. Raises nothing."""
    arguments = received(lease, values, actor)
    if isinstance(arguments, Outcome):
        return arguments
    return with_details(attempt(lease, actor, lambda: _call(lease, actor, arguments, current)), current)


def received(lease: Lease, values: Mapping[UUID, Settled], actor: Actor[..., Any] | None = None) -> Arguments | Outcome:
    """The arguments of a leased attempt, or what it ends with because it cannot have them. Raises nothing.

    Without `actor`, whose code is elsewhere then, nothing is known of its parameters.
    """
    try:
        arguments = decode_arguments(lease.arguments, values)
        misfit = actor.misfit(arguments.values) if actor is not None else None
    except ArgumentsTooLarge as error:
        return failed(lease, Failure.of(error))
    # Whatever is wrong with stored arguments, this code cannot read them.
    except Exception as error:  # noqa: BLE001
        misfit = f"the arguments cannot be read: {error}"
    if misfit:
        return incompatible(lease, INCOMPATIBLE_AGAIN, Failure("incompatible_code", misfit))
    unaccepted = _unaccepted_failure(lease, actor, arguments)
    if unaccepted is not None:
        return failed(lease, Failure(DEPENDENCY_FAILED, "an argument is a failure", cause=unaccepted))
    return arguments


def attempt(lease: Lease, actor: Actor[..., Any], call: Callable[[], Outcome]) -> Outcome:
    """Make one attempt: the outcome of `call`, or what its exception means under the task's retry policy."""
    try:
        return call()
    except Snooze as snooze:
        return snoozed(lease, snooze.delay)
    # SystemExit, KeyboardInterrupt and the like out of user code end this attempt, not the worker.
    except BaseException as error:  # noqa: BLE001
        return after_failure(lease, actor, error)


def with_details(outcome: Outcome, current: CurrentTask) -> Outcome:
    """The outcome of an attempt with the heartbeat details that it reported, for the next one."""
    details = current.reported_details()
    return outcome if details is None else replace(outcome, details=details)


def _call(lease: Lease, actor: Actor[..., Any], arguments: Arguments, current: CurrentTask) -> Outcome:
    with running(current):
        if actor.kind != "decider":
            return completed(lease, encode_result(actor.call(arguments.values)))
        with recording(arguments.given, collect.call_options) as recorder:
            returned = actor.call(arguments.values)
        return decided(lease, recorder.finish(returned))


def _unaccepted_failure(lease: Lease, actor: Actor[..., Any] | None, arguments: Arguments) -> Failure | None:
    """The failure that a task would be handed and does not accept. One that is part of another value is data."""
    if lease.kind == "decider" or lease.accepts_failures:
        return None
    each_argument = arguments.values.values() if actor is None else actor.each_argument(arguments.values)
    handed = (*arguments.failures, *each_argument)
    return next((each for each in handed if isinstance(each, Failure)), None)


def after_failure(lease: Lease, actor: Actor[..., Any], error: BaseException) -> Outcome:
    """What the exception of an attempt means under the task's retry policy: another try, or the end."""
    return after(lease, Failure.of(error), actor.retry, gives_up=isinstance(error, actor.retry.give_up_on))


def after(lease: Lease, failure: Failure, of_the_actor: Retry, *, gives_up: bool) -> Outcome:
    """What the failure of an attempt means under the task's retry policy, or under that of its actor."""
    retry = Retry.from_json(lease.retry) if lease.retry else of_the_actor
    tries = lease.tries + 1
    log.info(
        "an attempt failed",
        extra={
            "event": "attempt_failed",
            "task": str(lease.task_id),
            "actor": lease.actor,
            "attempt": lease.attempt,
            "error": failure.type,
        },
    )
    if tries >= lease.max_attempts or gives_up:
        return failed(lease, failure)
    return to_be_retried(lease, failure, retry.delay(tries, random.random()))
