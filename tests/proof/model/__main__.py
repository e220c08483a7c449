"""Searches all settings and prints what it went through: `python -m tests.proof.model [--quick] [--json FILE]`.

Ends with 1, and with the shortest way to it, where a promise can be broken.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.proof.model.exploring import Explored, explore
from tests.proof.model.memory import forget_all
from tests.proof.model.searches import ALL, QUICK
from tests.proof.model.settings import Setting

LIMIT = 400_000
"""So many worlds are gone through in one setting at most."""
COLUMNS = "{:55} {:>9} {:>10} {:>5} {:>7}  {}"


def main() -> int:
    """Search, print, and tell whether all promises hold (0) or not (1)."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.model", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some 50 000 worlds only")
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    parser.add_argument("--limit", type=int, default=LIMIT, help="go through so many worlds of a setting at most")
    options = parser.parse_args()
    explored = _search(QUICK if options.quick else ALL, options.limit)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(each) for each in explored], indent=1))
    return int(any(each.broken for each in explored))


def _search(searched: Sequence[Setting], limit: int) -> list[Explored]:
    print(COLUMNS.format("setting", "states", "steps", "depth", "seconds", ""), flush=True)
    explored = []
    for setting in searched:
        found = explore(setting, limit)
        explored.append(found)
        forget_all()
        print(_row(found), flush=True)
        if found.broken:
            print(found.told(), flush=True)
            break
    states, edges = sum(each.states for each in explored), sum(each.edges for each in explored)
    seconds = sum(each.seconds for each in explored)
    print(COLUMNS.format("in all", f"{states:,}", f"{edges:,}", "", f"{seconds:.1f}", ""))
    return explored


def _row(found: Explored) -> str:
    note = "BROKEN" if found.broken else "" if found.is_complete else "cut off"
    return COLUMNS.format(
        found.title, f"{found.states:,}", f"{found.edges:,}", found.depth, f"{found.seconds:.1f}", note
    )


if __name__ == "__main__":
    sys.exit(main())
