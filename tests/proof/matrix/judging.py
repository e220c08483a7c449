"""What is wrong after a storm: what the checker says, and what the database had to refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from orchestrator.local.django_programs import ROOT, in_project
from tests.proof.matrix.installation import Site

CHECK_SECONDS = 120.0
REFUSED = ("violates", "the side thread failed once")
"""What no program may have in its log: it tried to write what a constraint forbids, or met what nobody foresaw."""


def judged(site: Site, wrong: list[str]) -> dict[str, Any]:
    """Have the checker look at all that happened; add what is wrong to `wrong`, return what was counted."""
    report = site.folder / "checked.json"
    command = [sys.executable, "-m", "tests.proof.checker", str(site.folder), site.database_url, "--json", str(report)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=in_project(site.environ("checker")),
            capture_output=True,
            text=True,
            check=False,
            timeout=CHECK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        wrong.append(f"the checker does not end within {CHECK_SECONDS:.0f} s")
        return {}
    if not report.exists():
        wrong.append(f"the checker ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
        return {}
    told: dict[str, Any] = json.loads(report.read_text())
    wrong += [" ".join(str(part) for part in each.values() if part) for each in told["violations"]]
    if done.returncode and not told["violations"]:
        wrong.append(f"the checker ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    counts: dict[str, Any] = told["counts"]
    return counts


def rejected(site: Site) -> Iterator[str]:
    """What the logs of the programs tell of."""
    for name, program in site.programs.items():
        lines = program.log_path.read_text(errors="replace").splitlines() if program.log_path.exists() else []
        for line in lines:
            if any(each in line for each in REFUSED):
                yield f"log of {name}: {line.strip()}"
