"""The slow sweep: a Celery worker runs the scans itself while beat is late.

One daemon thread in the worker's parent process looks every ten seconds for scans that have not run for three
periods, says so in the log, and runs them.
"""

from __future__ import annotations

import logging
import threading

from celery.signals import worker_ready, worker_shutting_down
from django.db import Error, connection

from recovery.lateness import late_scans
from recovery.scans import run_scan

log = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0

_stopped = threading.Event()


def sweep() -> list[str]:
    """Run every scan that is late, once; return their names. One that fails does not keep the others from running."""
    late = late_scans()
    for name, age in late.items():
        log.warning(
            "a recovery scan is late: this worker runs it",
            extra={"event": "scan_late", "scan": name, "age_seconds": age.total_seconds() if age else None},
        )
        _run_safely(name)
    return list(late)


def _run_safely(name: str) -> None:
    try:
        run_scan(name)
    # Recovery is the last resort: whatever is wrong with one scan, the others and the next sweep must come.
    except Exception:
        log.exception("a recovery scan failed", extra={"event": "scan_failed", "scan": name})
        connection.close()


def _sweep_for_ever() -> None:
    while not _stopped.wait(PAUSE_SECONDS):
        try:
            sweep()
        except Error as error:
            log.warning("the sweep cannot reach the database", extra={"event": "sweep_failed", "reason": str(error)})
        finally:
            connection.close()


@worker_ready.connect
def _start(**_: object) -> None:
    threading.Thread(target=_sweep_for_ever, name="sweep", daemon=True).start()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    _stopped.set()
