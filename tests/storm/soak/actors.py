"""The actors of the soak: each decider is one shape of flow or failure; `shapes.py` says how each ends.

Workers are patient, so that the kills of the soak use nobody's tries up. What is to fail raises `Refusal`, which is
given up on at once: it refuses for good, unless the process was cured meanwhile (a file names it).
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

from tasks.actors import Failure, Snooze, current_task, decider, external, worker
from tasks.actors import sleep as durable_sleep
from tests.storm.actors import PATIENT, book, count, step, trace

SHORT = timedelta(seconds=0.3)
CURES = "SOAK_CURES"
"""The environment variable that names the folder of cures: one empty file for each process that is cured."""


class Refusal(Exception):
    """What fails here fails for good."""


STRICT = replace(PATIENT, give_up_on=(Refusal,))


@worker(retry=PATIENT)
def nap(number: int, place: int) -> str:
    sleep(0.01 * (1 + (number + place) % 10))
    return trace(f"{number}.{place}")


@worker(retry=PATIENT)
def snooze(number: int) -> str:
    if current_task().attempt <= 2:
        raise Snooze(SHORT)
    return trace(f"{number}.0")


@worker(retry=PATIENT)
def stumble(number: int) -> str:
    if current_task().tries < 2:
        raise ValueError("not yet")
    return trace(f"{number}.0")


@worker(retry=STRICT)
def refuse(number: int) -> str:
    _refuse_unless_cured()
    return trace(f"{number}.0")


@external
def form(number: int) -> str:
    raise NotImplementedError


@decider(retry=PATIENT)
def judge(number: int, outcome: Any) -> Any:
    return [number, "refused" if isinstance(outcome, Failure) else "answered"]


@decider(retry=PATIENT)
def plain(number: int) -> Any:
    return number


@decider(retry=PATIENT)
def promised(number: int) -> Any:
    return nap(number, 0)


@decider(retry=PATIENT)
def collected(number: int) -> Any:
    return {"naps": [nap(number, 0), nap(number, 1)], "number": number}


@decider(retry=PATIENT)
def nested(number: int, depth: int = 3) -> Any:
    return nested(number, depth - 1) if depth else count(number, [nap(number, 0)])


@decider(retry=PATIENT)
def fan(number: int) -> Any:
    return count(number, [nap(number, place) for place in range(8)])


@decider(retry=PATIENT)
def diamond(number: int) -> Any:
    top = nap(number, 0)
    return count(number, [step(top), step(top)])


@decider(retry=PATIENT)
def in_line(number: int) -> Any:
    first = nap(number, 0)
    second = nap.options(after=first)(number, 1)
    return count.options(after=second)(number, [first])


@decider(retry=PATIENT)
def loop(number: int, left: int = 4, value: str = "") -> Any:
    return loop(number, left - 1, step(value or f"{number}.0")) if left else [number, 4]


@decider(retry=PATIENT)
def unawaited(number: int) -> Any:
    nap(number, 0)
    nap(number, 1)
    return number


@decider(retry=PATIENT)
def snoozing(number: int) -> Any:
    return count(number, [snooze(number)])


@decider(retry=PATIENT)
def sleeping(number: int) -> Any:
    return count(number, [nap.options(after=durable_sleep(3 * SHORT))(number, 0)])


@decider(retry=PATIENT)
def retrying(number: int) -> Any:
    return count(number, [stumble(number)])


@decider(retry=PATIENT)
def booked(number: int) -> Any:
    return count(number, [step(book(nap(number, 0)))])


@decider(retry=PATIENT)
def accepted(number: int) -> Any:
    return judge(number, refuse.options(accept_failure=True)(number))


@decider(retry=PATIENT)
def climbing(number: int) -> Any:
    return judge(number, refuse_below.options(accept_failure=True)(number))


@decider(retry=PATIENT)
def refuse_below(number: int, depth: int = 2) -> Any:
    return refuse_below(number, depth - 1) if depth else refuse(number)


@decider(retry=PATIENT)
def dependent_accepted(number: int) -> Any:
    failed: Any = refuse.options(accept_failure=True)(number)
    return judge(number, count.options(accept_failure=True)(number, [failed]))


@decider(retry=PATIENT)
def unaccepted(number: int) -> Any:
    return count(number, [refuse(number)])


@decider(retry=PATIENT)
def unaccepted_below(number: int) -> Any:
    return count(number, [refuse_below(number)])


@decider(retry=PATIENT)
def unaccepted_twice(number: int) -> Any:
    return count(number, [refuse(number), nap(number, 1), refuse(number)])


@decider(retry=PATIENT)
def unawaited_refusal(number: int) -> Any:
    refuse(number)
    return number


@decider(retry=STRICT)
def undecided(number: int) -> Any:
    value = nap(number, 0)
    _refuse_unless_cured()
    return count(number, [value])


@decider(retry=PATIENT)
def dependent(number: int) -> Any:
    return count(number, [lost(number)])


@decider(retry=PATIENT)
def lost(number: int) -> Any:
    return refuse.options(accept_failure=True)(number)


@decider(retry=PATIENT)
def asked(number: int) -> Any:
    return count(number, [form(number)])


@decider(retry=PATIENT)
def asked_gently(number: int) -> Any:
    return judge(number, form.options(accept_failure=True)(number))


@external
def forgotten(number: int) -> str:
    raise NotImplementedError


def _refuse_unless_cured() -> None:
    if not Path(os.environ[CURES], str(current_task().process_id)).exists():
        raise Refusal("not cured")
