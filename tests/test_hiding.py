"""No token is ever in a log line, whichever logger, handler and formatter wrote it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from celery.app.log import TaskFormatter
from django.utils.log import ServerFormatter

from orchestrator.access.hiding import hide_secrets
from orchestrator.access.text import TokenText
from orchestrator.logs import LineFormatter

TOKEN = TokenText("0123456789ab", "Secret" * 7 + "s")
TEXT = TOKEN.written()
FORMATTERS = [
    LineFormatter(),
    logging.Formatter("%(levelname)s %(message)s"),
    ServerFormatter("[{server_time}] {message}", style="{"),
    TaskFormatter("%(task_name)s %(message)s"),
]


@pytest.fixture(params=FORMATTERS, ids=lambda formatter: type(formatter).__name__)
def written(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, StringIO]]:
    """A logger that hands nothing on, as Celery's and Django's server have them, and what it wrote."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(request.param)
    logger = logging.getLogger("tests.hiding")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, out
    logger.removeHandler(handler)
    logger.propagate = True


def test_a_line_shows_no_secret_in_message_arguments_and_traceback(written: tuple[logging.Logger, StringIO]) -> None:
    logger, out = written
    logger.warning(f"GET /processes?token={TEXT} HTTP/1.1")  # a careless line is the point
    logger.warning("headers: %s of %r", {"Authorization": f"Bearer {TEXT}"}, TEXT.encode())
    logger.warning("%(text)s", {"text": TEXT})
    try:
        try:
            raise ValueError(TEXT)
        except ValueError as error:
            raise RuntimeError("cannot use", TEXT) from error
    except RuntimeError as error:
        logger.exception(error)  # noqa: TRY401  # so is a careless handler
        logger.exception("it failed: %s", error)  # noqa: TRY401  # as above
    lines = out.getvalue()
    assert lines.count("Traceback") == 4
    assert lines.count("orc_0123456789ab_***") == 4 + 2 + 2 * 2
    assert "Secret" not in lines


def test_a_line_of_ours_shows_no_secret_in_its_extra_values_and_is_else_as_it_was() -> None:
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LineFormatter())
    record = logging.getLogger("tests").makeRecord(
        "tests", logging.INFO, "", 1, "moved", (), None, extra={"event": "seen", "header": f"Bearer {TEXT}"}
    )
    handler.handle(record)
    assert out.getvalue().endswith(" INFO tests: moved event=seen header=Bearer orc_0123456789ab_***\n")


@pytest.mark.parametrize("text", [TEXT, TEXT[:-1], TEXT[:18], TEXT + "0", f"{TEXT},{TEXT}"])
def test_a_token_that_was_cut_or_grew_is_hidden_too(text: str) -> None:
    assert set(hide_secrets(text).split(",")) == {"orc_0123456789ab_***"}


def test_other_texts_stay_as_they_are() -> None:
    for text in ("", "orc_", "the orc_0123456789ab token", "orchestrator.access"):
        assert hide_secrets(text) == text
