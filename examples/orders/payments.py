"""A payment service: a small HTTP server with a ledger of its own, and its client.

`POST /charges` with an Idempotency-Key charges a card once, however often it is asked. Cards that begin with
`flaky` fail twice and then work, those that begin with `refused` are refused for good. Every answer stands in the
ledger, a file of JSON lines, before it is given.

    python -m examples.orders.payments LEDGER PORT_FILE
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL_VARIABLE = "PAYMENTS_URL"
FAILURES_OF_A_FLAKY_CARD = 2
CHARGED, REFUSED, UNAVAILABLE = 200, 402, 503


class PaymentRefused(Exception):
    """The payment service refuses this card."""


class PaymentUnavailable(Exception):
    """The payment service does not work just now."""


def charge_card(order_number: int, card: str, amount: Decimal) -> str:
    """Charge a card and return the id of the payment. Raises PaymentRefused and PaymentUnavailable."""
    body = json.dumps({"card": card, "amount": str(amount)}).encode()
    request = Request(f"{os.environ[URL_VARIABLE]}/charges", body, {"Idempotency-Key": f"order-{order_number}"})
    try:
        with urlopen(request, timeout=5) as answer:
            return str(json.load(answer)["payment"])
    except HTTPError as error:
        if error.code == REFUSED:
            raise PaymentRefused(f"card {card} is refused") from None
        raise PaymentUnavailable(f"the payment service answers {error.code}") from None
    except OSError as error:
        raise PaymentUnavailable(str(error)) from None


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The entries of a ledger, oldest first."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Ledger:
    """Decides on charges and writes each decision down, once per key for charges and refusals."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._entries = {entry["key"]: entry for entry in read_ledger(path) if entry["status"] != UNAVAILABLE}
        self._failures = Counter(entry["key"] for entry in read_ledger(path) if entry["status"] == UNAVAILABLE)
        self._file = path.open("a")

    def charge(self, key: str, card: str, amount: str) -> dict[str, Any]:
        """The entry that answers a request."""
        with self._lock:
            if key in self._entries:
                return self._entries[key]
            entry = {"key": key, "card": card, "amount": amount, "status": self._status(key, card)}
            if entry["status"] == UNAVAILABLE:
                self._failures[key] += 1
            else:
                entry["payment"] = f"pay-{key}"
                self._entries[key] = entry
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            return entry

    def _status(self, key: str, card: str) -> int:
        if card.startswith("refused"):
            return REFUSED
        if card.startswith("flaky") and self._failures[key] < FAILURES_OF_A_FLAKY_CARD:
            return UNAVAILABLE
        return CHARGED


def serve(ledger: Ledger, port_file: Path) -> None:
    """Serve for ever on a free port of 127.0.0.1, which is written into `port_file`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked = json.loads(self.rfile.read(length))
            entry = ledger.charge(self.headers["Idempotency-Key"], asked["card"], asked["amount"])
            body = json.dumps(entry).encode()
            self.send_response(entry["status"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the standard library's
            """Say nothing: the ledger tells it all."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    beside = port_file.with_suffix(".new")
    beside.write_text(str(server.server_address[1]))
    beside.replace(port_file)
    server.serve_forever()


if __name__ == "__main__":
    serve(Ledger(Path(sys.argv[1])), Path(sys.argv[2]))
