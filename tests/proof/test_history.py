"""Histories as they are written and read, and what a client draws from its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.local.django_programs import ROOT
from tests.proof import history
from tests.proof.workload.client import Client

TWO_LINES_AND_A_CHILDS = """
import os
from tests.proof import history
history.write("call", id="1", arguments={"a": [1, None]})
if os.fork() == 0:
    history.write("began", task="t")
    os._exit(0)
os.wait()
history.write("answer", id="1", at=5.0)
"""


def run(code: str, folder: Path | None) -> None:
    own = {"PROOF_FOLDER": str(folder), "PROOF_PROGRAM": "client-1"} if folder else {}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=os.environ | own)


def test_each_process_writes_a_file_of_its_own_in_its_order(folder: Path) -> None:
    run(TWO_LINES_AND_A_CHILDS, folder)
    lines = list(history.read(folder))
    assert len({line["pid"] for line in lines}) == 2
    assert {line["program"] for line in lines} == {"client-1"}
    [call, answer] = [line for line in lines if line["what"] != "began"]
    assert (call["arguments"], call["line"], answer["at"], answer["line"]) == ({"a": [1, None]}, 0, 5.0, 1)
    [began] = [line for line in lines if line["what"] == "began"]
    assert began["at"] >= call["at"]


def test_a_line_that_was_cut_off_is_not_read(folder: Path) -> None:
    run(TWO_LINES_AND_A_CHILDS, folder)
    paths = list((folder / "history").iterdir())
    for path in paths:
        path.write_bytes(path.read_bytes()[:-3])
    assert [line["what"] for line in history.read(folder)] == ["call"]


def test_nothing_is_written_where_no_history_is_kept(folder: Path) -> None:
    run(TWO_LINES_AND_A_CHILDS, None)
    assert list(history.read(folder)) == []


def test_a_client_repeats_what_has_no_certain_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(custom_id: str, **other: Any) -> dict[str, Any]:
        return {"custom_id": custom_id, "seed": "s", "profile": "mixed", "variant": 0, "invalid": None} | other

    asked: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
        ("start", start("p-1-0"), {"code": 0, "process": "x", "reason": None}),
        ("start", start("p-1-1"), {"unknown": True}),
        ("start", start("p-1-2"), {"code": 2, "process": None, "reason": "database_unreachable"}),
        ("start", start("p-1-3"), {"error": "OperationalError"}),
        ("start_many", {"starts": [start("p-1-4"), start("p-1-5")]}, None),
        (
            "start_many",
            {"starts": [start("p-1-6"), start("p-1-7")]},
            {"answers": [{"code": 1, "reason": None}, {"code": 2, "reason": "busy"}]},
        ),
        ("start", start("p-1-0", variant=1), {"code": 2, "process": "x", "reason": "different"}),
        ("start", start("x-p-1-99", invalid="no_argument"), {"code": 2, "process": None, "reason": "invalid"}),
    ]
    monkeypatch.setenv("PROOF_FOLDER", str(folder))
    monkeypatch.setenv("PROOF_PROGRAM", "client-1")
    for number, (act, arguments, answer) in enumerate(asked):
        history.write("call", id=str(number), at=number, act=act, arguments=arguments)
        if answer is not None:
            history.write("answer", id=str(number), at=number + 0.5, answer=answer)
    client = Client(1, "s", "mixed")
    assert sorted(client.open) == ["p-1-1", "p-1-2", "p-1-3", "p-1-4", "p-1-5", "p-1-7"]
    assert (sorted(client.known), client.next) == (["p-1-0", "p-1-6"], 8)
