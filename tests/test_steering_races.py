"""Whatever can meet on one row, in both orders: the first holds its locks, the second waits or comes again later."""

from __future__ import annotations

from concurrent.futures import Future
from time import monotonic, sleep

import pytest

from processes.models import Event
from processes.states import STANDSTILLS
from tests.by_hand import elsewhere, waiting_backends
from tests.every_row import disagreements
from tests.scene import PARTIES, SCANS, Scene, claimed, uncommitted

pytestmark = pytest.mark.usefixtures("rows")

PAIRS = """
RUNNING     | abort           | abort           | done, ~already_ended: ABORTED xxxxx
RUNNING     | abort           | pause           | done, ~not_running: ABORTED xxxxx
RUNNING     | abort           | restart process | done, ~done: ABORTED xxxxx
RUNNING     | abort           | complete        | done, ~already_ended: ABORTED xxxxx
RUNNING     | abort           | fail            | done, ~already_ended: ABORTED xxxxx
RUNNING     | abort           | value           | done, ~lease_lost: ABORTED xxxxx
RUNNING     | abort           | failure         | done, ~lease_lost: ABORTED xxxxx
RUNNING     | abort           | decision        | done, ~lease_lost: ABORTED xxxxx
RUNNING     | abort           | claim           | done, 0+0: ABORTED xxxxx
RUNNING     | abort           | due             | done, 0+0: ABORTED xxxxx
RUNNING     | abort           | heartbeat       | done, 0+0: ABORTED xxxxx
RUNNING     | abort           | enqueue to end  | done, 0+0: ABORTED xxxxx
RUNNING     | abort           | start to end    | done, 0+0: ABORTED xxxxx
RUNNING     | pause           | abort           | done, ~done: ABORTED xxxxx
RUNNING     | pause           | pause           | done, ~not_running: PAUSED hpdhw
RUNNING     | pause           | restart process | done, ~done: ABORTED xxxxx
RUNNING     | pause           | complete        | done, ~done: PAUSED hpdCw
RUNNING     | pause           | fail            | done, ~done: PAUSED hpdFw
RUNNING     | pause           | value           | done, ~accepted: PAUSED hCdhw
RUNNING     | pause           | failure         | done, ~accepted: PAUSED hFdhw
RUNNING     | pause           | decision        | done, ~accepted: PAUSED hCdhw+h
RUNNING     | pause           | claim           | done, 0+0: PAUSED hpdhw
RUNNING     | pause           | due             | done, 0+1: PAUSED hphhw
RUNNING     | pause           | heartbeat       | done, 0+1: PAUSED hhdhw
RUNNING     | pause           | enqueue to end  | done, 0+0: PAUSED hpdhw
RUNNING     | pause           | start to end    | done, 0+0: PAUSED hpdhw
RUNNING     | restart process | abort           | done, ~already_ended: ABORTED xxxxx
RUNNING     | restart process | pause           | done, ~not_running: ABORTED xxxxx
RUNNING     | restart process | restart process | done, ~already_restarted: ABORTED xxxxx
RUNNING     | restart process | complete        | done, ~already_ended: ABORTED xxxxx
RUNNING     | restart process | fail            | done, ~already_ended: ABORTED xxxxx
RUNNING     | restart process | value           | done, ~lease_lost: ABORTED xxxxx
RUNNING     | restart process | failure         | done, ~lease_lost: ABORTED xxxxx
RUNNING     | restart process | decision        | done, ~lease_lost: ABORTED xxxxx
RUNNING     | restart process | claim           | done, 0+0: ABORTED xxxxx
RUNNING     | restart process | due             | done, 0+0: ABORTED xxxxx
RUNNING     | restart process | heartbeat       | done, 0+0: ABORTED xxxxx
RUNNING     | restart process | enqueue to end  | done, 0+0: ABORTED xxxxx
RUNNING     | restart process | start to end    | done, 0+0: ABORTED xxxxx
RUNNING     | complete        | abort           | done, ~done: ABORTED xxxCx
RUNNING     | complete        | pause           | done, ~done: PAUSED hpdCw
RUNNING     | complete        | restart process | done, ~done: ABORTED xxxCx
RUNNING     | complete        | complete        | done, ~done: RUNNING epdCw
RUNNING     | complete        | fail            | done, ~already_settled: RUNNING epdCw
RUNNING     | complete        | value           | done, ~accepted: RUNNING eCdCw
RUNNING     | complete        | failure         | done, ~accepted: FAILED hFdCw
RUNNING     | complete        | decision        | done, ~accepted: RUNNING eCdCw+e
RUNNING     | complete        | claim           | done, 1+0: RUNNING ppdCw
RUNNING     | complete        | due             | done, 0+1: RUNNING epeCw
RUNNING     | complete        | heartbeat       | done, 0+1: RUNNING eedCw
RUNNING     | complete        | enqueue to end  | done, 0+1: FAILED FpdCw
RUNNING     | complete        | start to end    | done, 0+1: TIMED_OUT xxxCx
RUNNING     | fail            | abort           | done, ~done: ABORTED xxxFx
RUNNING     | fail            | pause           | done, ~not_running: FAILED hpdFw
RUNNING     | fail            | restart process | done, ~done: ABORTED xxxFx
RUNNING     | fail            | complete        | done, ~already_settled: FAILED hpdFw
RUNNING     | fail            | fail            | done, ~done: FAILED hpdFw
RUNNING     | fail            | value           | done, ~accepted: FAILED hCdFw
RUNNING     | fail            | failure         | done, ~accepted: FAILED hFdFw
RUNNING     | fail            | decision        | done, ~accepted: FAILED hCdFw+h
RUNNING     | fail            | claim           | done, 0+0: FAILED hpdFw
RUNNING     | fail            | due             | done, 0+1: FAILED hphFw
RUNNING     | fail            | heartbeat       | done, 0+1: FAILED hhdFw
RUNNING     | fail            | enqueue to end  | done, 0+0: FAILED hpdFw
RUNNING     | fail            | start to end    | done, 0+0: FAILED hpdFw
RUNNING     | value           | abort           | accepted, ~done: ABORTED xCxxx
RUNNING     | value           | pause           | accepted, ~done: PAUSED hCdhw
RUNNING     | value           | restart process | accepted, ~done: ABORTED xCxxx
RUNNING     | value           | complete        | accepted, ~done: RUNNING eCdCw
RUNNING     | value           | fail            | accepted, ~done: FAILED hCdFw
RUNNING     | failure         | abort           | accepted, ~done: ABORTED xFxxx
RUNNING     | failure         | pause           | accepted, ~not_running: FAILED hFdhw
RUNNING     | failure         | restart process | accepted, ~done: ABORTED xFxxx
RUNNING     | failure         | complete        | accepted, ~done: FAILED hFdCw
RUNNING     | failure         | fail            | accepted, ~done: FAILED hFdFw
RUNNING     | decision        | abort           | accepted, ~done: ABORTED xCxxx+x
RUNNING     | decision        | pause           | accepted, ~done: PAUSED hCdhw+h
RUNNING     | decision        | restart process | accepted, ~done: ABORTED xCxxx+x
RUNNING     | decision        | complete        | accepted, ~done: RUNNING eCdCw+e
RUNNING     | decision        | fail            | accepted, ~done: FAILED hCdFw+h
RUNNING     | claim           | abort           | 1, ~done: ABORTED xxxxx
RUNNING     | claim           | pause           | 1, ~done: PAUSED ppdhw
RUNNING     | claim           | restart process | 1, ~done: ABORTED xxxxx
RUNNING     | claim           | complete        | 1, done: RUNNING ppdCw
RUNNING     | claim           | fail            | 1, ~done: FAILED ppdFw
RUNNING     | due             | abort           | 1, ~done: ABORTED xxxxx
RUNNING     | due             | pause           | 1, ~done: PAUSED hphhw
RUNNING     | due             | restart process | 1, ~done: ABORTED xxxxx
RUNNING     | due             | complete        | 1, ~done: RUNNING epeCw
RUNNING     | due             | fail            | 1, ~done: FAILED hphFw
RUNNING     | heartbeat       | abort           | 1, ~done: ABORTED xxxxx
RUNNING     | heartbeat       | pause           | 1, ~done: PAUSED hhdhw
RUNNING     | heartbeat       | restart process | 1, ~done: ABORTED xxxxx
RUNNING     | heartbeat       | complete        | 1, ~done: RUNNING eedCw
RUNNING     | heartbeat       | fail            | 1, ~done: FAILED hhdFw
RUNNING     | enqueue to end  | abort           | 1, ~done: ABORTED Fxxxx
RUNNING     | enqueue to end  | pause           | 1, ~not_running: FAILED Fpdhw
RUNNING     | enqueue to end  | restart process | 1, ~done: ABORTED Fxxxx
RUNNING     | enqueue to end  | complete        | 1, ~done: FAILED FpdCw
RUNNING     | enqueue to end  | fail            | 1, ~done: FAILED FpdFw
RUNNING     | start to end    | abort           | 1, ~already_ended: TIMED_OUT xxxxx
RUNNING     | start to end    | pause           | 1, ~not_running: TIMED_OUT xxxxx
RUNNING     | start to end    | restart process | 1, ~done: TIMED_OUT xxxxx
RUNNING     | start to end    | complete        | 1, ~already_ended: TIMED_OUT xxxxx
RUNNING     | start to end    | fail            | 1, ~already_ended: TIMED_OUT xxxxx
PAUSED      | resume          | abort           | done, ~done: ABORTED xxxxx
PAUSED      | abort           | resume          | done, ~not_paused: ABORTED xxxxx
PAUSED      | resume          | restart process | done, ~done: ABORTED xxxxx
PAUSED      | restart process | resume          | done, ~not_paused: ABORTED xxxxx
PAUSED      | complete        | resume          | done, ~done: RUNNING epdCw
PAUSED      | resume          | complete        | done, ~done: RUNNING epdCw
PAUSED      | resume          | fail            | done, ~done: FAILED hpdFw
PAUSED      | fail            | resume          | done, ~done: FAILED hpdFw
PAUSED      | resume          | value           | done, ~accepted: RUNNING eCdew
PAUSED      | value           | resume          | accepted, ~done: RUNNING eCdew
PAUSED      | failure         | resume          | accepted, ~done: FAILED hFdhw
PAUSED      | resume          | failure         | done, ~accepted: FAILED hFdhw
PAUSED      | resume          | decision        | done, ~accepted: RUNNING eCdew+e
PAUSED      | decision        | resume          | accepted, ~done: RUNNING eCdew+e
PAUSED      | claim           | resume          | 0, done: RUNNING epdew
PAUSED      | resume          | claim           | done, 0+1: RUNNING ppdew
PAUSED      | resume          | due             | done, 0+1: RUNNING epeew
PAUSED      | due             | resume          | 1, ~done: RUNNING epeew
PAUSED      | resume          | heartbeat       | done, 0+1: RUNNING eedew
PAUSED      | heartbeat       | resume          | 1, ~done: RUNNING eedew
PAUSED      | enqueue to end  | resume          | 0, done: RUNNING epdew
PAUSED      | resume          | enqueue to end  | done, 0+1: FAILED Fpdhw
PAUSED      | resume          | start to end    | done, 0+1: TIMED_OUT xxxxx
PAUSED      | start to end    | resume          | 0, done: RUNNING epdew
PAUSED      | resume          | resume          | done, ~not_paused: RUNNING epdew
FAILED      | abort           | restart task    | done, ~already_ended: ABORTED xxxxFx
FAILED      | restart task    | abort           | done, ~done: ABORTED xxxxxx
FAILED      | restart process | restart task    | done, ~already_ended: ABORTED xxxxFx
FAILED      | restart task    | restart process | done, ~done: ABORTED xxxxxx
FAILED      | restart task    | complete        | done, ~done: RUNNING epdCew
FAILED      | complete        | restart task    | done, ~done: RUNNING epdCew
FAILED      | fail            | restart task    | done, ~done: FAILED hpdFhw
FAILED      | restart task    | fail            | done, ~done: FAILED hpdFhw
FAILED      | restart task    | value           | done, ~accepted: RUNNING eCdeew
FAILED      | value           | restart task    | accepted, ~done: RUNNING eCdeew
FAILED      | restart task    | failure         | done, ~accepted: FAILED hFdhhw
FAILED      | failure         | restart task    | accepted, ~done: FAILED hFdhhw
FAILED      | decision        | restart task    | accepted, ~done: RUNNING eCdeew+e
FAILED      | restart task    | decision        | done, ~accepted: RUNNING eCdeew+e
FAILED      | claim           | restart task    | 0, done: RUNNING epdeew
FAILED      | restart task    | claim           | done, 0+1: RUNNING ppdeew
FAILED      | restart task    | due             | done, 0+1: RUNNING epeeew
FAILED      | due             | restart task    | 1, ~done: RUNNING epeeew
FAILED      | restart task    | heartbeat       | done, 0+1: RUNNING eedeew
FAILED      | heartbeat       | restart task    | 1, ~done: RUNNING eedeew
FAILED      | enqueue to end  | restart task    | 0, done: RUNNING epdeew
FAILED      | restart task    | enqueue to end  | done, 0+1: FAILED Fpdhhw
FAILED      | restart task    | start to end    | done, 0+1: TIMED_OUT xxxxxx
FAILED      | start to end    | restart task    | 0, done: RUNNING epdeew
FAILED      | restart task    | restart task    | done, ~not_failed: RUNNING epdeew
REGISTERING | register        | abort           | 1, ~done: ABORTED +x
REGISTERING | abort           | register        | done, 0+0: ABORTED
REGISTERING | pause           | register        | not_running, 1+0: RUNNING +e
REGISTERING | register        | pause           | 1, ~done: PAUSED +h
REGISTERING | register        | restart process | 1, ~done: ABORTED +x
REGISTERING | restart process | register        | done, 0+1: ABORTED
"""
"""The state of the process before; who is first; who meets him; both answers, and how everything stands then.

`~`: the second waited for the first. `+`: he did not wait, and came again when the first had committed. The letters are
the first ones of the states of the tasks of a `Scene` (capital: ended), `x` is CANCELLED; after `+` stand new ones.
"""
pairs = [tuple(part.strip() for part in line.split("|")) for line in PAIRS.strip().splitlines()]


def waits(answer: Future[str]) -> bool:
    """Whether somebody waits for a lock; False when the answer is there."""
    until = monotonic() + 30
    while not answer.done():
        if waiting_backends():
            return True
        assert monotonic() < until, "neither an answer nor a lock that is waited for"
        sleep(0.005)
    return False


def met(state: str, first: str, second: str) -> str:
    """Both answers and how everything stands then; `~` where the second waited, `+` where it came again."""
    scene = Scene(state)
    with elsewhere() as submit:
        with uncommitted():
            one = PARTIES[first](scene)
            answer = submit(PARTIES[second], scene)
            waited = waits(answer)
        other = ("~" if waited else "") + answer.result(30)
    if second in SCANS and not waited:
        other += "+" + PARTIES[second](scene)
    told = f"{one}, {other}: {scene.told()}".strip()
    assert disagreements() == {}
    assert Event.objects.filter(kind__startswith="external_task").count() <= 1
    if told.split(": ")[1].split(maxsplit=1)[0] in STANDSTILLS:
        assert claimed() == "0"
    return told


@pytest.mark.parametrize(("state", "first", "second", "told"), pairs)
def test_two_that_meet_on_one_row_do_one_after_the_other(state: str, first: str, second: str, told: str) -> None:
    assert met(state, first, second) == told


def test_every_pair_stands_in_both_orders() -> None:
    known = {(state, first, second) for state, first, second, _ in pairs}
    assert len(known) == len(pairs)
    assert {(state, second, first) for state, first, second in known} == known
