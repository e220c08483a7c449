"""How log lines look: time, level, logger, message, then the event and its ids as key=value."""

from __future__ import annotations

import logging

from orchestrator.access.hiding import hide_secrets

KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


class LineFormatter(logging.Formatter):
    """One line a record; what was passed as `extra` follows the message. No token shows its secret, wherever it is."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it."""
        return hide_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name is the standard library's
        """The line without a traceback."""
        extra = [f"{key}={value}" for key, value in vars(record).items() if key not in KNOWN]
        return " ".join([super().formatMessage(record), *extra])
