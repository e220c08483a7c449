"""The catchers: programs that compare what an engine does with what it should do. Each runs on a copy of the project.

`stateful` drives the engine beside the model; `storm FAULT` has one fault strike a whole installation, and asks the
checker what came of it. They end with 0 where all is well, and with 1 where something is wrong.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.proof.matrix.leashed import Leashed
from tests.proof.mutants.patches import STATEFUL

STATEFUL_SECONDS, STORM_SECONDS = 120, 40
"""How long the catchers search."""
STATEFUL_PATIENCE, STORM_PATIENCE = 300.0, 420.0
"""How long they may take in all: a storm calms down, and is checked."""
WELL, WRONG = 0, 1
OF_THE_HARNESS = "harness: "
MESSAGE = re.compile(r"^(?:WRONG (?!harness: )|[\w.]*(?:Error|Exception): ?).*", re.MULTILINE)
MESSAGE_LIMIT = 300
MESSAGES = 5


class NoVerdict(Exception):
    """A catcher ended in a way that says nothing of the engine."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one catcher says of one engine: after how many seconds, and the first things that are wrong, if any is."""

    catcher: str
    seconds: float
    messages: tuple[str, ...] = ()

    @property
    def is_caught(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.messages)


@dataclass(frozen=True, slots=True)
class Catcher:
    """One catcher, by its name in the headers of the patches."""

    name: str

    def judge(self, tree: Path, folder: Path, urls: Mapping[str, str], seed: int) -> Verdict:
        """Run it on the project in `tree`; what it makes stays below `folder`, which is not there yet.

        `urls` name servers, with a database that is migrated and empty. Raises NoVerdict.
        """
        folder.mkdir(parents=True)
        began = monotonic()
        status = self._run(tree, folder, urls, seed)
        seconds = monotonic() - began
        told = (folder / "output").read_text(errors="replace")
        if status not in (WELL, WRONG):
            raise NoVerdict(f"{self.name} ended with {status}: {last_line(told)}")
        if status == WRONG and f"WRONG {OF_THE_HARNESS}" in told and not MESSAGE.search(told):
            raise NoVerdict(f"{self.name} stumbled over itself: {last_line(told)}")
        return Verdict(self.name, seconds, first_messages(told) if status == WRONG else ())

    def _run(self, tree: Path, folder: Path, urls: Mapping[str, str], seed: int) -> int:
        if self.name == STATEFUL:
            words = ["tests.proof.stateful", "--seconds", str(STATEFUL_SECONDS), "--seed", str(seed)]
            words.append("--unshrunk")
            return run_leashed(words, tree, folder / "output", urls, STATEFUL_PATIENCE)
        _, fault = self.name.split()
        words = ["tests.proof.matrix.storm", "--fault", fault, "--seed", str(seed), "--folder", str(folder / "storm")]
        words += ["--seconds", str(STORM_SECONDS)]
        return run_leashed(words, tree, folder / "output", urls, STORM_PATIENCE)


def run_leashed(
    words: Sequence[str], tree: Path, output: Path, urls: Mapping[str, str], patience_seconds: float
) -> int:
    """Run a module of the project in `tree`, on a leash: it ends when its time is over, or this program's.

    Returns its exit status. Raises NoVerdict where it took too long.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "DJANGO_"))}
    environ |= {"SECRET_KEY": secrets.token_hex(32), "PYTHONPATH": str(tree), **urls}
    program = Leashed(words[0], [sys.executable, "-m", *words], environ, output, tree)
    program.start()
    try:
        status = program.wait(patience_seconds)
    finally:
        program.kill()
    if status is None:
        raise NoVerdict(f"{words[0]} did not end within {patience_seconds:g} s")
    return status


def first_messages(told: str) -> tuple[str, ...]:
    """The first things that a catcher found wrong, each in one line; what it said last where it names none so."""
    found = [each[0].removeprefix("WRONG ") for each in MESSAGE.finditer(told)] or [last_line(told)]
    return tuple(each[:MESSAGE_LIMIT] for each in found[:MESSAGES])


def last_line(told: str) -> str:
    """The last thing that a program said."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
