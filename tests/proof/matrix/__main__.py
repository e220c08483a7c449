"""The whole matrix: storms of every fault, several side by side: `python -m tests.proof.matrix --seed 1`.

Prints a line for each storm that has ended, and the table of all cells at the end. Exits with 1 on any violation, and
where a cell was hit too rarely or a storm had too few processes.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import monotonic
from typing import Any, cast

from orchestrator.local.django_programs import ROOT
from tests.proof.marked import rewritten
from tests.proof.matrix.faults import FAULTS, SERIES
from tests.proof.matrix.installing import prepare
from tests.proof.matrix.report import PART, cells_of, report_of, summary_of, table_of

STORM_SECONDS = 900.0
LANES = 2
TOLD = 5
Told = dict[str, Any]


def main() -> int:
    """Run the storms, write what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.matrix", description=__doc__)
    parser.add_argument("--seed", default=str(secrets.randbelow(10**6)))
    parser.add_argument("--lanes", type=int, default=LANES, help="so many storms run side by side")
    parser.add_argument("--faults", type=lambda text: text.split(","), default=list(FAULTS))
    parser.add_argument("--json", type=Path, help="write all results there")
    parser.add_argument("--report", type=Path, help="write the tables there, between their markers")
    options = parser.parse_args()
    if unknown := set(options.faults) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    print(f"matrix: seed {options.seed}, {len(options.faults)} faults, {options.lanes} lanes", flush=True)
    began = monotonic()
    storms = rage(options.faults, options.seed, options.lanes)
    told = {"seed": options.seed, "seconds": round(monotonic() - began), "storms": storms}
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    if options.report:
        options.report.write_text(rewritten(options.report.read_text(), PART, report_of(told)))
    print(f"{table_of(storms)}\n\n{cells_of(storms)}\n\n{summary_of(told)}")
    return 1 if any(storm["violations"] for storm in storms) else 0


def rage(faults: Sequence[str], seed: str, lanes: int) -> list[Told]:
    """Run the storms of these faults; return what each fault's told, in the order of the faults."""
    series = [[name for name in each if name in faults] for each in SERIES]
    with TemporaryDirectory(prefix="o-") as folder, ThreadPoolExecutor(lanes) as pool:
        template = Path(folder)
        prepare(template)
        storms = pool.map(lambda names: storm(names, seed, template), filter(None, series))
        told = {each["fault"]: each for each in chain.from_iterable(storms)}
    return [told[fault] for fault in faults]


def storm(names: Sequence[str], seed: str, template: Path) -> list[Told]:
    """Run one storm in a process of its own; keep its folder where anything is wrong."""
    folder = Path(mkdtemp(prefix="o-"))
    result = folder / "result.json"
    command = [sys.executable, "-m", "tests.proof.matrix.storm", "--fault", ",".join(names), "--seed", seed]
    command += ["--folder", str(folder / "storm"), "--json", str(result)]
    command += ["--template", str(template)]
    with open(folder / "said", "wb") as said:
        try:
            status = subprocess.run(
                command, cwd=ROOT, stdout=said, stderr=said, timeout=STORM_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            status = None
    told = json.loads(result.read_text()) if result.exists() else nothing_told(names, seed, status, folder)
    wrong = list(dict.fromkeys(chain.from_iterable(each["violations"] for each in told)))
    print(*map(line_of, told), *(f"  WRONG {each}" for each in wrong[:TOLD]), sep="\n", flush=True)
    if wrong:
        print(f"  see {folder}", flush=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return cast(list[Told], told)


def nothing_told(names: Sequence[str], seed: str, status: int | None, folder: Path) -> list[Told]:
    """What is told of a storm that told nothing."""
    said = [line for line in (folder / "said").read_text(errors="replace").splitlines() if line.strip()]
    how = f"ended with {status}" if status is not None else f"did not end within {STORM_SECONDS:.0f} s"
    nothing = {
        **dict.fromkeys(("seconds", "processes", "tasks", "strikes"), 0),
        "seed": seed,
        "strikes_in_vain": {},
        "slow": [],
        "checked": {},
        "cells": {},
        "violations": [f"harness: the storm {how}: {said[-1] if said else 'it said nothing'}"],
    }
    return [{**nothing, "fault": name} for name in names]


def line_of(told: Told) -> str:
    """A storm in one line."""
    hits = [cell["hits"] for cell in told["cells"].values()]
    worst = max((cell["recovery_worst"] or 0.0 for cell in told["cells"].values()), default=0.0)
    vain = sum(told["strikes_in_vain"].values())
    return (
        f"{told['fault']}: {len(told['violations'])} violations; {told['processes']} processes, {told['tasks']} tasks; "
        f"{told['strikes']} strikes ({vain} in vain), {sum(hits)} hits in {len(hits)} cells, "
        f"at least {min(hits, default=0)} each; recovered within {worst:.1f} s; took {told['seconds']:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
