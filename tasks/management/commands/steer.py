"""`manage.py steer`: aborts, pauses, restarts, blocks, completes … from the shell, with a rehearsal where wanted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from getpass import getuser
from typing import Any, cast
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from processes.errors import ProcessesError
from processes.models import Process
from processes.queries import find, matching
from processes.states import ProcessState
from tasks.aborting import ABORT
from tasks.acts import Order
from tasks.arguments import encode_result
from tasks.blocking import (
    block,
    blocked_since,
    check_not_blocked,
    pause_everything,
    resume_everything,
    status_of,
    unblock,
)
from tasks.completing import check_ready, complete_task, fail_task
from tasks.errors import TasksError
from tasks.models import EVERYTHING
from tasks.pausing import PAUSE, RESUME
from tasks.policies import ActorName
from tasks.queries import task_in_process
from tasks.restarting import RESTART, RESTART_FAILED_TASKS, check_task, restart_task
from tasks.steering import Steered, Steering, steer, steer_each, steer_many

PROCESS_ACTS: dict[str, tuple[Steering, str]] = {
    "abort": (ABORT, "end processes for good, before their time"),
    "pause": (PAUSE, "make processes stand still"),
    "resume": (RESUME, "let paused processes go on"),
    "restart": (RESTART, "start new processes from the same actor and arguments"),
    "restart-failed": (RESTART_FAILED_TASKS, "restart all failed tasks of processes"),
}
TASK_ACTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "restart-task": (check_task, "restart failed tasks"),
    "complete": (check_ready, "complete external tasks"),
    "fail": (check_ready, "fail external tasks"),
}
ACTOR_ACTS: dict[str, tuple[Callable[..., object], Callable[..., object], str]] = {
    "block": (block, check_not_blocked, "hand nothing of actors out"),
    "unblock": (unblock, blocked_since, "hand tasks of blocked actors out again"),
    "pause-everything": (pause_everything, check_not_blocked, "hand nothing out, of whatever actor"),
    "resume-everything": (resume_everything, blocked_since, "end what pause-everything began"),
}
AGE = re.compile(r"(\d{1,9})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Command(BaseCommand):
    """Steers processes, tasks and actors, and prints how many it did and how many were refused, and why."""

    help = "Steer processes, tasks and actors. Exit status 0 if all was done, 1 if anything was refused, 2 for usage."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line: one subcommand for each act."""
        acts = parser.add_subparsers(dest="act", required=True, metavar="act")
        for name, (_, told) in PROCESS_ACTS.items():
            act = _add(acts, name, told)
            act.add_argument("processes", nargs="*", help="ids or custom ids")
            act.add_argument(
                "--where",
                nargs="+",
                metavar="NAME=VALUE",
                help="instead of ids: state=FAILED actor=orders.fulfil#1.0 older-than=90m (s, m, h, d) attribute.k=v",
            )
        for name, (_, told) in TASK_ACTS.items():
            _add(acts, name, told).add_argument("tasks", nargs="+", type=UUID, help="ids")
        acts.choices["complete"].add_argument("--value", default="null", help="the result as JSON; null by default")
        acts.choices["fail"].add_argument("--message", required=True, help="what failed")
        for name, (_, _, told) in ACTOR_ACTS.items():
            act = _add(acts, name, told)
            if name in ("block", "unblock"):
                act.add_argument("actors", nargs="+", help="name#version or name#version@list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, or rehearse it; exit with 1 if anything was refused. Raises CommandError for wrong input."""
        try:
            told = _steered(options)
        except (ProcessesError, TasksError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(("rehearsed: " if options["rehearse"] else "") + str(told))
        for code, examples in sorted(told.examples.items()):
            self.stderr.write(f"{code}: {told.sentences[code]} {', '.join(map(str, examples))}")
        if told.refused:
            raise SystemExit(1)


def _add(acts: Any, name: str, told: str) -> CommandParser:
    act = cast("CommandParser", acts.add_parser(name, help=told, description=told.capitalize()))
    act.add_argument("--by", default=_user(), help="who does it, for the history; the user of the shell by default")
    act.add_argument("--reason", default="", help="why, for the history")
    act.add_argument("--request-id", help="makes the act safe to repeat: the first answer counts")
    act.add_argument("--rehearse", action="store_true", help="only tell what would be done and refused")
    return act


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        # The user id of a container may have no name.
        return ""


def _steered(options: dict[str, Any]) -> Steered:
    order = Order(by=options["by"], reason=options["reason"], request_id=options["request_id"])
    if options["act"] in PROCESS_ACTS:
        return _steer_processes(options, order)
    if options["act"] in TASK_ACTS:
        return _steer_tasks(options, order)
    return _steer_actors(options, order)


def _steer_processes(options: dict[str, Any], order: Order) -> Steered:
    steering, _ = PROCESS_ACTS[options["act"]]
    words, terms, rehearse = options["processes"], options["where"], options["rehearse"]
    if bool(words) == bool(terms):
        raise CommandError("name processes, or --where, and not both", returncode=2)
    if terms:
        return steer_many(steering, _matching(terms), order, rehearse=rehearse)

    def act(word: str) -> None:
        own = _own(order, word, words)
        process_id = find(word, own.request_id)
        if rehearse:
            steering.check(Process.objects.get(id=process_id))
        else:
            steer(steering, process_id, own)

    return steer_each(words, act)


def _steer_tasks(options: dict[str, Any], order: Order) -> Steered:
    ids = options["tasks"]
    check, _ = TASK_ACTS[options["act"]]
    outcome: dict[str, Callable[..., object]] = {
        "restart-task": restart_task,
        "complete": lambda task_id, **words: complete_task(task_id, value, **words),
        "fail": lambda task_id, **words: fail_task(task_id, options["message"], **words),
    }
    value = _value(options.get("value", "null"))
    if options["rehearse"]:
        return steer_each(ids, lambda task_id: check(task_in_process(task_id)))
    return steer_each(ids, lambda task_id: outcome[options["act"]](task_id, **asdict(_own(order, task_id, ids))))


def _steer_actors(options: dict[str, Any], order: Order) -> Steered:
    act, check, _ = ACTOR_ACTS[options["act"]]
    if "actors" not in options:
        return steer_each(
            [EVERYTHING], lambda name: check(status_of(name)) if options["rehearse"] else act(**asdict(order))
        )
    names = [str(ActorName.parse(name)) for name in options["actors"]]
    if options["rehearse"]:
        return steer_each(names, lambda name: check(status_of(name)))
    return steer_each(names, lambda name: act(name, **asdict(_own(order, name, names))))


def _own(order: Order, subject: UUID | str, subjects: Sequence[UUID | str]) -> Order:
    """The order for one subject: the request id is its own where there are several."""
    return order if len(subjects) == 1 else order.within(subject)


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--value must be JSON: {error}", returncode=2) from error
    encode_result(value)
    return value


def _matching(terms: Sequence[str]) -> QuerySet[Process]:
    wanted: dict[str, Any] = {}
    attributes: dict[str, object] = {}
    for term in terms:
        name, equals, text = term.partition("=")
        if not equals or name in wanted:
            raise CommandError(f"--where takes NAME=VALUE, each name once; {term!r} is none", returncode=2)
        if name == "state" and text in ProcessState.values:
            wanted["state"] = ProcessState(text)
        elif name == "actor":
            wanted["actor"] = str(ActorName.parse(text))
        elif name == "older-than" and (match := AGE.fullmatch(text)):
            wanted["older_than"] = timedelta(**{UNITS[match[2]]: int(match[1])})
        elif name.startswith("attribute."):
            attributes[name.removeprefix("attribute.")] = _attribute(text)
        else:
            raise CommandError(f"--where does not understand {term!r}", returncode=2)
    return matching(**wanted, attributes=attributes)


def _attribute(text: str) -> object:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
