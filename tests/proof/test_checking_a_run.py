"""The checker on a run of real workers: it finds nothing, until somebody falsifies the rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from orchestrator.local.django_programs import ROOT, in_project
from processes.models import Process
from tests.by_hand import wait_until
from tests.conftest import Launch
from tests.proof.checker.checking import judge
from tests.proof.checker.reading import read

pytestmark = pytest.mark.usefixtures("rows")
ENOUGH = 40

RESULT = """
    UPDATE tasks_task SET result = '["d-0000000000000000", "n-nobody"]'
    WHERE id = (SELECT id FROM tasks_task WHERE state = 'COMPLETED' AND actor LIKE '%.a#%' ORDER BY id LIMIT 1)
    RETURNING id::text
"""
EFFECT = """
    DELETE FROM workload_effect WHERE task_id = (SELECT task_id FROM workload_effect ORDER BY task_id LIMIT 1)
    RETURNING task_id::text
"""
CHILD = """
    WITH copied AS (
        SELECT * FROM tasks_task
        WHERE parent_id IS NOT NULL AND state = 'COMPLETED' AND process_id IN (
            SELECT id FROM processes_process WHERE state = 'COMPLETED'
        )
        ORDER BY id LIMIT 1
    )
    INSERT INTO tasks_task
    SELECT (jsonb_populate_record(NULL::tasks_task, to_jsonb(copied) || jsonb_build_object('id', repeat('f', 32)))).*
    FROM copied
    RETURNING id::text
"""
EVENT = """
    DELETE FROM processes_event
    WHERE id = (SELECT max(id) FROM processes_event WHERE kind = 'external_task_completed') RETURNING task_id::text
"""
FALSIFIED = ((RESULT, "ends"), (RESULT, "outcomes"), (EFFECT, "effects"), (CHILD, "decisions"), (EVENT, "audit"))
"""Statements that tell whom they change, and the check that must name it."""


@pytest.fixture
def finished(folder: Path, environ: dict[str, str], launch: Launch) -> str:
    """A run that has got quiet; the address of its database."""
    proof = in_project(environ | {"PROOF_FOLDER": str(folder), "PROOF_SEED": "checked"})
    launch(env=proof | {"PROOF_PROGRAM": "worker"}, concurrency=2)
    launch("beat", env=proof | {"PROOF_PROGRAM": "beat"})
    client = _program(proof, "client-1", "--number", "1", "--live", "30", "--rate", "20")
    steering = _program(proof, "steering", "--rate", "5")
    try:
        wait_until(lambda: Process.objects.count() > ENOUGH, 60)
        (folder / "stop").touch()
        assert client.wait(60) == 0
        assert steering.wait(150) == 0
    finally:
        for each in (client, steering):
            each.kill()
            each.wait()
    return proof["DATABASE_URL"]


def test_a_true_run_is_found_true_and_each_falsified_row_is_named(folder: Path, finished: str) -> None:
    report = judge(read(folder, finished))
    assert [str(violation) for violation in report.violations] == []
    assert report.counts["processes"] > ENOUGH
    assert report.counts["tasks"] > 5 * ENOUGH
    assert report.counts["runs"] > 4 * ENOUGH
    assert _exit_code(folder, finished) == 0
    with psycopg.connect(finished, autocommit=True) as connection:
        for statement, check in FALSIFIED:
            [(changed,), *_] = connection.execute(statement).fetchall()
            violations = judge(read(folder, finished)).violations
            assert changed in {violation.task for violation in violations if violation.check == check}, statement
    assert _exit_code(folder, finished) == 1


def _program(proof: dict[str, str], program: str, *words: str) -> subprocess.Popen[bytes]:
    module = f"tests.proof.workload.{program.partition('-')[0]}"
    command = [sys.executable, "-m", module, *words]
    return subprocess.Popen(command, env=proof | {"PROOF_PROGRAM": program}, stdin=subprocess.DEVNULL, cwd=ROOT)


def _exit_code(folder: Path, database_url: str) -> int:
    """How the checker ends as a program, which has no Django set up."""
    command = [sys.executable, "-m", "tests.proof.checker", str(folder), database_url]
    return subprocess.call(command, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, timeout=60)
