"""Holds the engine against the model for some time: `python -m tests.proof.stateful --seconds 180 [--seed 1]`.

Needs DATABASE_URL, a migrated database whose rows it may delete, and CELERY_BROKER_URL. Prints the seed and what was
done. Ends with 1, and the steps to it, where the two differ.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from time import monotonic

import django
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tasks import bell  # noqa: E402  # the settings must be there first
from tests.proof.stateful.running import run_for  # noqa: E402
from tests.proof.stateful.sides import RULES_RUN  # noqa: E402
from tests.traces import remove_traces  # noqa: E402

INNERMOST_CALLS = 3


def main() -> int:
    """Run, print, and tell whether both sides are alike (0) or not (1)."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.stateful", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    parser.add_argument("--unshrunk", action="store_true", help="tell the first difference at once, as it was found")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:g} seconds", flush=True)
    began_at = monotonic()
    # What cannot be registered is told of at length, and is meant.
    logging.disable(logging.ERROR)
    failure = _run(options.seconds, options.seed, shrinks=not options.unshrunk)
    seconds = monotonic() - began_at
    _leave_nothing()
    for rule, count in sorted(RULES_RUN.items()):
        print(f"{count:8,} {rule}")
    print(f"{RULES_RUN.total():8,} in {seconds:.0f} s")
    if options.json is not None:
        told = {"seed": options.seed, "seconds": seconds, "rules": dict(RULES_RUN), "failure": failure}
        options.json.write_text(json.dumps(told, indent=1))
    print(failure or "the engine does what the model says")
    return int(bool(failure))


def _run(seconds: float, seed: int, *, shrinks: bool) -> str:
    """Run until the time is up; returns what differs, with the steps to it."""
    try:
        run_for(seconds, seed, shrinks=shrinks)
    # Whatever a broken engine raises is what was to be found.
    except Exception as error:  # noqa: BLE001
        steps = "\n".join(getattr(error, "__notes__", []))
        return f"{traceback.format_exc(-INNERMOST_CALLS)}\n{steps}\n{type(error).__name__}: {error}"
    return ""


def _leave_nothing() -> None:
    bell.flush(1)
    with suppress(OperationalError):
        remove_traces()


if __name__ == "__main__":
    sys.exit(main())
