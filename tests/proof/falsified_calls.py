"""True runs whose calls and answers were falsified: each with the check that must notice, and words it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.proof.falsified_histories import change_event, remove_event, repeat_event
from tests.proof.falsified_rows import Falsify
from tests.proof.scripted import CLIENT, STEERING
from tests.proof.true_run import TrueRun

Line = dict[str, Any]


def _answer(nth: int, **told: object) -> Falsify:
    """Change the answer to a start."""
    return lambda run: [each for each in run.work.files[CLIENT] if each["what"] == "answer"][nth]["answer"].update(told)


def _asked(nth: int, **told: object) -> Falsify:
    return lambda run: [each for each in run.work.files[CLIENT] if each["what"] == "call"][nth]["arguments"].update(
        told
    )


def _act(act: str, change: Callable[[Line, Line], object]) -> Falsify:
    """Change the first call of an act, or its answer."""

    def falsify(run: TrueRun) -> None:
        calls = [line for line in run.work.files[STEERING] if line["what"] == "call" and line["act"] == act]
        answers = {line["id"]: line for line in run.work.files[STEERING] if line["what"] == "answer"}
        change(calls[0], answers[calls[0]["id"]])

    return falsify


def _unheard(run: TrueRun) -> None:
    """A start when all was calm was registered only after a while."""
    _asked(0, custom_id="p-probe-1")(run)
    row = run.work.processes[run.rich]
    run.work.change_process(run.rich, custom_id="p-probe-1", registered_at=row.created_at + 4.0)


def _twice_named(run: TrueRun) -> None:
    """Two acts were answered with one record."""
    resumes = [line for line in run.work.files[STEERING] if line["what"] == "answer"]
    pauses = [event.id for event in run.work.events if event.kind == "paused"]
    next(line for line in resumes if line["answer"].get("event") == pauses[1])["answer"]["event"] = pauses[0]


def _same_request(run: TrueRun) -> None:
    """A repeated request was answered with another record."""
    calls = [line for line in run.work.files[STEERING] if line["what"] == "call" and line["act"] == "pause"]
    calls[1]["arguments"]["request"] = calls[0]["arguments"]["request"]


def _refuse(call: Line, answer: Line) -> None:
    answer["answer"] = {"refused": "not_running"}


def _refuse_the_second(run: TrueRun) -> None:
    """A repeated request was refused, although it had been done."""
    _same_request(run)
    calls = [line for line in run.work.files[STEERING] if line["what"] == "call" and line["act"] == "pause"]
    answers = {line["id"]: line for line in run.work.files[STEERING] if line["what"] == "answer"}
    answers[calls[1]["id"]]["answer"] = {"refused": "not_running"}


def _answer_why(run: TrueRun) -> None:
    run.work.files[STEERING][-1]["answer"]["code"] = "ready"


CALLS: tuple[tuple[str, str, Falsify], ...] = (
    ("starts", "nobody", _asked(3, custom_id="p-other")),
    ("starts", "none of", _answer(0, process="process-nobody")),
    ("starts", "is invalid", _asked(0, invalid="no_time")),
    ("starts", "2 starts were answered that they created it", _answer(1, code=0)),
    ("starts", "no start before it can have created it", _answer(3, code=1)),
    ("starts", "1 processes were created for it", _answer(4, code=2, process=None, reason="busy")),
    ("starts", "not invalid", _answer(2, reason="invalid")),
    ("starts", "the very flow that the process has", _asked(2, variant=0)),
    ("hearing", "nobody heard of starts", _unheard),
    ("ends", "nothing was answered to why", lambda run: run.work.files[STEERING].pop()),
    ("ends", "so why is answered with paused, not ready", _answer_why),
    ("acts", "which does not exist", remove_event("paused")),
    ("acts", "was answered with EventRow", change_event("resumed", kind="paused")),
    ("acts", "nobody asked for what", repeat_event("resumed")),
    ("acts", "was asked for only at", change_event("blocked", at=900.0)),
    ("acts", "was refused", _act("pause", _refuse)),
    ("acts", "were all answered with", _twice_named),
    ("acts", "was answered with the events", _same_request),
    ("acts", "was done, and", _refuse_the_second),
    ("acts", "was recorded under the request None", change_event("paused", request_id=None)),
)
"""Check, words, what was falsified."""
