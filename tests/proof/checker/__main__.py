"""Checks one run: `python -m tests.proof.checker FOLDER DATABASE_URL [--json FILE]`; exit 1 where anything is wrong."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from tests.proof.checker.checking import CHECKS, judge
from tests.proof.checker.reading import read

SHOWN = 200


def main() -> int:
    """Read, judge, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.checker", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("database_url")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = judge(read(arguments.folder, arguments.database_url))
    print("checked: " + ", ".join(f"{count} {what}" for what, count in report.counts.items()))
    for violation in report.violations[:SHOWN]:
        print(violation)
    found = Counter(violation.check for violation in report.violations)
    print(f"{len(report.violations)} violations: " + ", ".join(f"{name} {found[name]}" for name in CHECKS))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.to_record(), indent=1))
    return 1 if report.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
