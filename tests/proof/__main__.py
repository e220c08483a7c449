"""The proof: the model and the stateful test side by side, then the matrix: `make proof`, or `python -m tests.proof`.

Needs DATABASE_URL (a migrated database) for the stateful test; the matrix brings servers of its own. Writes what all of
them found to one file, and the tables of the matrix into `docs/proof.md`. Exits with 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

from orchestrator.local.django_programs import ROOT

STATEFUL_SECONDS = 180


def main() -> int:
    """Run every part, whatever the others find."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seed", default=str(secrets.randbelow(10**6)))
    parser.add_argument("--lanes", type=int, default=2, help="so many storms of the matrix run side by side")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "proof.json")
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "proof.md")
    options = parser.parse_args()
    print(f"proof: seed {options.seed}", flush=True)
    seed = ["--seed", options.seed]
    # Each of the first two keeps one core busy, and the storms of the matrix keep all of them busy.
    together = (
        {"model": [], "stateful": ["--seconds", str(STATEFUL_SECONDS), *seed]},
        {"matrix": ["--lanes", str(options.lanes), "--report", str(options.report), *seed]},
    )
    told: dict[str, Any] = {"seed": options.seed}
    failed = list(chain.from_iterable(fallen(parts, told) for parts in together))
    options.json.write_text(json.dumps(told, indent=1) + "\n")
    print(f"failed: {', '.join(failed)}" if failed else "all of it holds")
    return 1 if failed else 0


def fallen(parts: Mapping[str, list[str]], told: dict[str, Any]) -> list[str]:
    """Run some parts side by side; those that found something wrong."""
    with ThreadPoolExecutor() as pool:
        stand = pool.map(lambda name: part(name, parts[name], told), parts)
        return [name for name, stands in zip(parts, stand, strict=True) if not stands]


def part(name: str, words: list[str], told: dict[str, Any]) -> bool:
    """Run one part and note what it told; return whether it found nothing wrong and told something."""
    print(f"--- {name}", flush=True)
    began = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "told.json")
        command = [sys.executable, "-m", f"tests.proof.{name}", *words, "--json", str(path)]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        has_told = path.exists()
        told[name] = json.loads(path.read_text()) if has_told else None
    print(f"--- {name}: exit status {status} after {monotonic() - began:.0f} s", flush=True)
    return status == 0 and has_told


if __name__ == "__main__":
    sys.exit(main())
