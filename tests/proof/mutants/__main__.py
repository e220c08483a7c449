"""Proves that the proofs would tell: plants each bug in turn and shows what catches it, and how soon.

    make proof-of-proof [ONLY=name] [SEED=1]

First the engine as it is goes through every catcher that is to be used: a catcher that always finds something would
catch everything. Exits with 1 where that is not clean, or a bug is not caught.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from orchestrator.local.servers import Servers
from tests.proof import marked
from tests.proof.mutants.patches import STATEFUL, Mutant, mutants
from tests.proof.mutants.proving import Case, Proof

INTERRUPTED = 130
PART = "mutants"


def main() -> int:
    """Prove, tell, and say by the exit status whether all is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.mutants", description=__doc__)
    known = {each.name: each for each in mutants()}
    parser.add_argument("--only", nargs="+", choices=sorted(known), metavar="NAME", help="some of the bugs")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write what came out")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table there, between its markers")
    options = parser.parse_args()
    chosen = [known[name] for name in options.only] if options.only else list(known.values())
    print(f"seed {options.seed}, {len(chosen)} planted bugs", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    began = monotonic()
    try:
        cases = prove(folder, chosen, options.seed)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        return INTERRUPTED
    print(f"{table(cases)}\nin {monotonic() - began:.0f} s", flush=True)
    if options.json:
        told = {"seed": options.seed, "cases": [case.told() for case in cases]}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    if options.report:
        options.report.write_text(marked.rewritten(options.report.read_text(), PART, report_of(cases, options.seed)))
    wrong = [case.name for case in cases if not case.is_as_it_should_be]
    print(f"not as it should be: {', '.join(wrong)}; see {folder}" if wrong else "all is as it should be")
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


def prove(folder: Path, chosen: Sequence[Mutant], seed: int) -> list[Case]:
    """All cases, with their verdicts; only those of the engine as it is where that is not clean."""
    used = sorted({name for each in chosen for name in each.catchers})
    slow_first = sorted(chosen, key=lambda each: each.catchers[0] == STATEFUL)
    with Servers(folder / "servers", {}) as servers:
        proof = Proof(folder, servers, seed)
        clean = proof.run(Case(None, (name,)) for name in used)
        if not all(case.is_as_it_should_be for case in clean):
            return clean
        return clean + proof.run(Case(each, each.catchers) for each in slow_first)


def report_of(cases: Sequence[Case], seed: int) -> str:
    """What was planted and what caught it, for `docs/proof.md`."""
    planted = [(case.mutant, case.caught) for case in cases if case.mutant is not None]
    rows = [
        (mutant.name, mutant.broken, *((caught.catcher, f"{caught.seconds:.0f} s") if caught else ("nothing", "")))
        for mutant, caught in planted
    ]
    told = f"Seed {seed}: {sum(caught is not None for _, caught in planted)} of {len(planted)} caught."
    return f"{told}\n\n{marked.table(('planted', 'what is broken', 'caught by', 'after'), sorted(rows))}"


def table(cases: Sequence[Case]) -> str:
    """A line for each planted bug, for people."""
    width = max((len(case.name) for case in cases), default=0)
    lines = [f"{'':{width}}  {'caught by':28}  {'after':>7}  what it found first"]
    for case in cases:
        if case.caught:
            caught = case.caught
            lines.append(f"{case.name:{width}}  {caught.catcher:28}  {caught.seconds:5.1f} s  {caught.messages[0]}")
        else:
            lines.append(f"{case.name:{width}}  {'nothing':28}  {'':>7}  {'; '.join(case.without_verdict)}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
