"""Keeps the secrets of tokens out of logs, whoever logs them and whatever handler writes them."""

from __future__ import annotations

import logging
import re

SHOWN = re.compile(r"(orc_[0-9a-z]{12}_)[0-9A-Za-z]+", re.ASCII)
"""Also a token that was cut, or that has too many letters: whoever it belongs to will know what is missing."""


def hide_secrets(text: str) -> str:
    """The text, of every token in it only the identifier left: `orc_<identifier>_***`."""
    return SHOWN.sub(r"\1***", text) if "orc_" in text else text


class Record(logging.LogRecord):
    """A log record whose message and traceback show no secret.

    Celery's loggers of tasks, Django's development server and the servers of others have handlers and formatters of
    their own, so it is the record itself that must be clean. What is passed as `extra` is hidden by `LineFormatter`.
    """

    def getMessage(self) -> str:  # noqa: N802  # the name is the standard library's
        """The message with its arguments."""
        return hide_secrets(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        """The traceback, once a formatter has written it."""
        text: str | None = self.__dict__["exc_text"]
        return text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        # Under its own name in __dict__, as in any record: formatters and copies of records look there.
        self.__dict__["exc_text"] = text and hide_secrets(text)
