"""A payment service: a small HTTP server with a ledger of its own.

`POST /charges` with an Idempotency-Key charges a card once, however often it is asked. Cards that begin with
`flaky` fail twice and then work, those that begin with `refused` are refused for good.

    python -m examples.orders.payments --ledger FILE [--port PORT] [--port-file FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from examples.orders.ledger import KeyTaken, Ledger

HOST = "127.0.0.1"
CHARGES = "/charges"


class Handler(BaseHTTPRequestHandler):
    """Answers one request out of the ledger."""

    ledger: ClassVar[Ledger]

    def do_POST(self) -> None:
        """Charge a card: 200 charged, 402 refused, 503 not now, 422 the key is taken, 400 and 404 no such request."""
        try:
            self._answer(*self._charge())
        except KeyTaken as error:
            self._answer(422, {"error": str(error)})
        except (ValueError, KeyError, TypeError) as error:
            self._answer(400, {"error": f"no charge: {error!r}"})

    def _charge(self) -> tuple[int, dict[str, Any]]:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        key, card, amount = self.headers["Idempotency-Key"], asked["card"], asked["amount"]
        if self.path != CHARGES:
            return 404, {"error": f"charges are made at {CHARGES}"}
        if not all(isinstance(each, str) and each for each in (key, card, amount)):
            raise ValueError("Idempotency-Key, card and amount are needed, as text")
        entry = self.ledger.charge(key, card, amount)
        return entry.status, asdict(entry)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the standard library's
        """Say nothing: the ledger tells it all."""


class Server(ThreadingHTTPServer):
    """Takes every worker of a machine at once."""

    request_queue_size = 128


def main() -> None:
    """Serve until stopped; the port (a free one by default) is written into the port file once it is open."""
    parser = argparse.ArgumentParser(prog="python -m examples.orders.payments")
    parser.add_argument("--ledger", type=Path, required=True, help="a file of JSON lines")
    parser.add_argument("--port", type=int, default=0, help=f"of {HOST}; default: a free one")
    parser.add_argument("--port-file", type=Path, help="where to write the port")
    options = parser.parse_args()
    Handler.ledger = Ledger(options.ledger)
    try:
        server = Server((HOST, options.port), Handler)
    except (OSError, OverflowError) as error:
        sys.exit(f"port {options.port} of {HOST} cannot be used: {error}")
    if options.port_file is not None:
        beside = options.port_file.with_suffix(".new")
        beside.write_text(str(server.server_address[1]))
        beside.replace(options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
