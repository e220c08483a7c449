"""Plants each bug in a copy of the project, and finds out which catcher catches it, and how soon."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.local.servers import Servers
from tests.proof.mutants.catchers import Catcher, NoVerdict, Verdict
from tests.proof.mutants.databases import Databases
from tests.proof.mutants.patches import Mutant
from tests.proof.mutants.trees import copy_project

LANES = 2


@dataclass(slots=True)
class Case:
    """One engine, as it is (`mutant` is None) or with a bug, and what the catchers said of it, one after the other."""

    mutant: Mutant | None
    catchers: tuple[str, ...]
    verdicts: list[Verdict] = field(default_factory=list)
    without_verdict: list[str] = field(default_factory=list)
    """Why a catcher said nothing."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.mutant.name if self.mutant else f"the engine as it is, {self.catchers[0]}"

    @property
    def caught(self) -> Verdict | None:
        """The verdict of the catcher that caught it; None where none did."""
        return next((verdict for verdict in self.verdicts if verdict.is_caught), None)

    @property
    def is_as_it_should_be(self) -> bool:
        """A bug is caught; in the engine as it is nothing is, by catchers that came to a verdict."""
        if self.mutant is None:
            return self.caught is None and not self.without_verdict
        return self.caught is not None

    def __str__(self) -> str:
        caught = self.caught
        if caught:
            return f"{self.name}: caught by {caught.catcher} in {caught.seconds:.1f} s: {caught.messages[0]}"
        searched = [f"{verdict.catcher} in {verdict.seconds:.1f} s" for verdict in self.verdicts]
        return f"{self.name}: nothing found ({'; '.join([*searched, *self.without_verdict])})"

    def told(self) -> dict[str, Any]:
        """As plain JSON."""
        mutant, caught = self.mutant, self.caught
        return {
            "name": self.name,
            "broken": mutant.broken if mutant else None,
            "seen": mutant.seen if mutant else None,
            "caught_by": caught.catcher if caught else None,
            "seconds": round(caught.seconds, 1) if caught else None,
            "messages": caught.messages if caught else (),
            "not_caught_by": [verdict.catcher for verdict in self.verdicts if not verdict.is_caught],
            "without_verdict": self.without_verdict,
        }


class Proof:
    """Runs cases on servers of its own, two at a time."""

    def __init__(self, folder: Path, servers: Servers, seed: int) -> None:
        self._folder = folder
        self._urls = servers.urls
        self._databases = Databases(servers)
        self._seed = seed

    def run(self, cases: Iterable[Case]) -> list[Case]:
        """Try the catchers of each case until one catches it; print each case as it ends."""
        pool = ThreadPoolExecutor(LANES)
        try:
            return list(pool.map(self._run, cases))
        finally:
            pool.shutdown(cancel_futures=True)

    def _run(self, case: Case) -> Case:
        folder = self._folder / "".join(each if each.isalnum() else "_" for each in case.name)
        tree = copy_project(folder / "project")
        if case.mutant is not None:
            case.mutant.apply(tree)
        for number, name in enumerate(case.catchers):
            urls = {**self._urls, "DATABASE_URL": self._databases.make()}
            try:
                case.verdicts.append(Catcher(name).judge(tree, folder / str(number), urls, self._seed))
            except NoVerdict as error:
                case.without_verdict.append(str(error))
            if case.caught:
                break
        print(case, flush=True)
        if case.is_as_it_should_be:
            shutil.rmtree(folder, ignore_errors=True)
        return case
