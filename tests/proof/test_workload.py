"""The workload on real workers: every moment is reached and held, and histories tell all that happened."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.local.django_programs import ROOT, in_project
from processes.models import Process
from processes.states import FINAL_STATES
from tasks.models import Task
from tests.by_hand import wait_until
from tests.conftest import Launch
from tests.proof import history
from tests.proof.evaluating import expected
from tests.proof.flows import flow_of
from tests.proof.matrix.moments import ALL
from tests.proof.walking import value_of
from tests.storm.observing import names_of_children

pytestmark = pytest.mark.usefixtures("rows")
SEED = "workload"


@pytest.fixture
def proof(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """The environment of everything that runs here."""
    own = {"PROOF_FOLDER": str(folder), "PROOF_SEED": SEED}
    return in_project(environ | own)


@contextmanager
def running(proof: dict[str, str], program: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A client or a steering, killed in the end if it still runs."""
    module = f"tests.proof.workload.{program.partition('-')[0]}"
    command = [sys.executable, "-m", module, *words]
    with subprocess.Popen(command, env=proof | {"PROOF_PROGRAM": program}, stdin=subprocess.DEVNULL, cwd=ROOT) as popen:
        try:
            yield popen
        finally:
            popen.kill()


def test_each_moment_that_is_armed_is_held_until_it_is_let_go(
    folder: Path, proof: dict[str, str], launch: Launch
) -> None:
    program = launch(env=proof | {"PROOF_PROGRAM": "worker"}, concurrency=2)
    # So many may be live that what waits for a form or a scan, which nobody brings here, keeps nobody from starting.
    with running(proof, "client-1", "--number", "1", "--live", "2000", "--rate", "20") as client:
        for moment in ALL:
            pid = held(folder, moment)
            at_client = moment.startswith("start.")
            assert pid == client.pid if at_client else f":{pid}" in " ".join(names_of_children(program)), moment
        progress = len(list(history.read(folder)))
        wait_until(lambda: len(list(history.read(folder))) > progress + 50)
    assert not list((folder / "moments" / "held").iterdir())


def held(folder: Path, moment: str) -> int:
    """Arm a moment, wait until a process is held there, let it go; return which one it was."""
    armed = folder / "moments" / "armed" / moment
    wait_until(armed.parent.exists)
    armed.touch()
    [path] = wait_until(lambda: list(armed.parent.parent.glob(f"held/{moment}.*")), 60)
    assert not armed.exists()
    path.unlink()
    return int(path.name.rpartition(".")[2])


def test_a_history_tells_all_that_happened_and_everything_ends_as_expected(
    folder: Path, proof: dict[str, str], launch: Launch
) -> None:
    launch(env=proof | {"PROOF_PROGRAM": "worker"}, concurrency=2)
    launch("beat", env=proof | {"PROOF_PROGRAM": "beat"})
    with (
        running(proof, "client-1", "--number", "1", "--live", "30", "--rate", "20") as client,
        running(proof, "steering", "--rate", "10") as steering,
    ):
        wait_until(lambda: Process.objects.count() > 40, 60)
        client.kill()
        client.wait()
        with running(proof, "client-1", "--number", "1", "--live", "30", "--rate", "20") as again:
            wait_until(lambda: Process.objects.count() > 70, 60)
            (folder / "stop").touch()
            assert again.wait(30) == 0
        assert steering.wait(150) == 0
    lines = list(history.read(folder))
    check_calls(lines)
    check_attempts(lines)
    check_values()


def check_calls(lines: list[history.Line]) -> None:
    """Every process was asked for, every call of the steering answered, every process ends or has a reason not to."""
    calls = {line["id"]: line for line in lines if line["what"] == "call"}
    answers = {line["id"]: line["answer"] for line in lines if line["what"] == "answer"}
    assert answers.keys() <= calls.keys()
    assert {calls[each]["program"] for each in calls.keys() - answers.keys()} <= {"client-1"}
    asked = {
        start["custom_id"]
        for call in calls.values()
        for start in call["arguments"].get("starts", [call["arguments"]])
        if call["act"] in ("start", "start_many") and start["invalid"] is None
    }
    assert asked == set(Process.objects.filter(custom_id__isnull=False).values_list("custom_id", flat=True))
    assert {call["act"] for call in calls.values()} >= {
        "start",
        "start_many",
        "pause",
        "resume",
        "complete_task",
        "why",
    }
    whys = {call["arguments"]["process"] for call in calls.values() if call["act"] == "why"}
    assert whys == {str(each.id) for each in Process.objects.exclude(state__in=FINAL_STATES)}


def check_attempts(lines: list[history.Line]) -> None:
    """Every attempt is claimed, begun, ended and released, in this order; its outcome is the one that was released."""
    told: dict[tuple[str, int], list[str]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line["at"]):
        for task, attempt in attempts_in(line):
            told[task, attempt].append(line["what"])
    by_user_code = [each for each in told.values() if "began" in each]
    assert len(by_user_code) > 200
    walks = {tuple(what for what in each if what not in ("heartbeat", "effect")) for each in told.values()}
    whole = ("claimed", "began", "ended", "releasing", "released")
    unused = ("claimed", "releasing", "released")
    assert walks <= {whole, unused}
    assert whole in walks


def attempts_in(line: history.Line) -> list[tuple[str, int]]:
    """The attempts that a line tells of."""
    match line["what"]:
        case "claimed":
            return [(task, attempt) for task, _, attempt in line["leases"]]
        case "began" | "effect" | "ended":
            return [(line["task"], line["attempt"])]
        case "releasing":
            return [(task, attempt) for task, attempt, _ in line["outcomes"]]
        case "released":
            return list(line["attempts"].items())
    return []


def check_values() -> None:
    """What has completed has the value that its flow comes to, cured or not."""
    values = {}
    for process in Process.objects.filter(state="COMPLETED", custom_id__isnull=False):
        flow = flow_of(SEED, str(process.custom_id))
        values[process.custom_id] = value_of(Task.objects.get(id=process.id))
        assert values[process.custom_id] == expected(flow, cured=True).value, process.custom_id
    assert len(values) > 40
