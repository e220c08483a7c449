"""The scans by name, each with its period, and how one is run: until nothing is left, noting when it ran."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from django.conf import settings
from django.db.models.functions import Now

from recovery import finding
from recovery.models import ScanRun
from recovery.retention import scan_retention

log = logging.getLogger(__name__)

ROUNDS = 20
"""A scan that always finds a full batch gives way after this many; the next run goes on."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One recovery scan: looks for one event, acts on a bounded batch, tells on how many.

    `limit` names the setting that bounds its batch; without one a single run looks at everything.
    """

    name: str
    period: timedelta
    run: Callable[[], int]
    limit: str | None = "ORCHESTRATOR_SCAN_LIMIT"

    def found_all(self, acted: int) -> bool:
        """Whether a batch that acted on so many leaves nothing behind that can be acted on now."""
        return self.limit is None or acted < getattr(settings, self.limit)


SCANS: Mapping[str, Scan] = MappingProxyType(
    {
        scan.name: scan
        for scan in (
            Scan(
                "stuck_registrations",
                timedelta(seconds=2),
                finding.scan_stuck_registrations,
                "ORCHESTRATOR_REGISTRATION_LIMIT",
            ),
            Scan("process_start_to_end", timedelta(seconds=5), finding.scan_process_start_to_end),
            Scan("task_enqueue_to_end", timedelta(seconds=5), finding.scan_task_enqueue_to_end),
            Scan("task_poll_to_end", timedelta(seconds=5), finding.scan_task_poll_to_end),
            Scan("task_heartbeat", timedelta(seconds=5), finding.scan_task_heartbeat),
            Scan("due", timedelta(seconds=1), finding.scan_due),
            Scan("lost_wakeups", timedelta(seconds=2), finding.scan_lost_wakeups, None),
            Scan("retention", timedelta(seconds=5), scan_retention, None),
        )
    }
)


def run_scan(name: str) -> int:
    """Run one scan in bounded batches until it finds little or nothing; return on how many it acted.

    Any number of callers may run the same scan at once. Raises KeyError for an unknown name, and what the
    database raises.
    """
    scan = SCANS[name]
    total = 0
    for _ in range(ROUNDS):
        acted = scan.run()
        total += acted
        if scan.found_all(acted):
            break
    ScanRun.objects.update_or_create(
        name=name,
        defaults={"ran_at": Now(), "found": total, "ran_by": f"{socket.gethostname()}:{os.getpid()}"},
    )
    if total:
        log.info("a scan acted", extra={"event": "scan_acted", "scan": name, "count": total})
    return total
