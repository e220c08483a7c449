"""The ledger of the payment service: what it decided about every charge, in a file that is only ever added to."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

CHARGED, REFUSED, UNAVAILABLE = 200, 402, 503
REFUSED_CARDS, FLAKY_CARDS = "refused", "flaky"
FAILURES_OF_A_FLAKY_CARD = 2


class KeyTaken(Exception):
    """This idempotency key belongs to a different charge."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `status` is the HTTP status of the answer; `payment` is empty where nothing was charged."""

    key: str
    card: str
    amount: str
    status: int
    payment: str = ""


def read_ledger(path: Path) -> list[Entry]:
    """The entries of a ledger, oldest first. A line that was cut short was never answered, so it is no entry."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [Entry(**json.loads(line)) for line in whole.splitlines()]


class Ledger:
    """Decides on charges, once per key, and writes each decision down before it is told."""

    def __init__(self, path: Path) -> None:
        entries = read_ledger(path)
        self._lock = threading.Lock()
        self._decided = {entry.key: entry for entry in entries if entry.status != UNAVAILABLE}
        self._failures = Counter(entry.key for entry in entries if entry.status == UNAVAILABLE)
        self._file = path.open("ab")
        self._file.truncate(_end_of_last_line(path))

    def charge(self, key: str, card: str, amount: str) -> Entry:
        """The decision on a charge: the earlier one where there is one. Raises KeyTaken."""
        with self._lock:
            known = self._decided.get(key)
            if known is not None:
                if (known.card, known.amount) != (card, amount):
                    raise KeyTaken(f"{key} belongs to a different charge")
                return known
            status = self._status(key, card)
            entry = Entry(key, card, amount, status, f"pay-{key}" if status == CHARGED else "")
            self._write(entry)
            if status == UNAVAILABLE:
                self._failures[key] += 1
            else:
                self._decided[key] = entry
            return entry

    def _status(self, key: str, card: str) -> int:
        if card.startswith(REFUSED_CARDS):
            return REFUSED
        if card.startswith(FLAKY_CARDS) and self._failures[key] < FAILURES_OF_A_FLAKY_CARD:
            return UNAVAILABLE
        return CHARGED

    def _write(self, entry: Entry) -> None:
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _end_of_last_line(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1
