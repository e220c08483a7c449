"""How values, failures and links look to people: decoded, escaped, and never longer than a page."""

from __future__ import annotations

from pprint import pformat
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processes.errors import NotReadable
from processes.failures import Failure
from processes.values import Json, decode

SHOWN_CHARACTERS = 4_000
DECODED_CHARACTERS = 50_000
WIDTH = 100
NOTHING = "–"


class _Reference:
    """Stands for the value of a task inside arguments."""

    def __init__(self, content: Json) -> None:
        self.content = content

    def __repr__(self) -> str:
        return f"<value of task {self.content['task']}>" if self.content["wait"] else f"<task {self.content['task']}>"


def value(text: str | None) -> SafeString | str:
    """A stored value as Python would print it; a very large one as it is stored, from its beginning."""
    if text is None:
        return NOTHING
    if len(text) > DECODED_CHARACTERS:
        return _preformatted(text)
    try:
        return _preformatted(pformat(decode(text, resolve=_Reference), width=WIDTH, sort_dicts=False))
    except NotReadable as error:
        return _preformatted(f"{error}\n{text}")


def failure(text: str | None) -> SafeString | str:
    """A stored failure: what it is, what it comes from, and its traceback."""
    if text is None:
        return NOTHING
    told = Failure.from_text(text)
    lines = [f"{told.type}: {told.message}"]
    lines += [f"detail: {pformat(told.detail, width=WIDTH)}"] if told.detail is not None else []
    lines += [f"caused by {cause.type}: {cause.message}" for cause in told.causes()]
    traceback = next((each.traceback for each in [told, *told.causes()] if each.traceback), "")
    return _preformatted("\n".join(lines)) + (_preformatted(traceback, end=True) if traceback else SafeString(""))


def link(model: str, key: UUID | None, text: object = None) -> SafeString | str:
    """A link to the page of a row; `model` is written like `tasks_task`."""
    if key is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{model}_change", args=[key]), text or key)


def _preformatted(text: str, *, end: bool = False) -> SafeString:
    shown = text[-SHOWN_CHARACTERS:] if end else text[:SHOWN_CHARACTERS]
    left_out = len(text) - len(shown)
    note = format_html('<p class="help">{} more characters are not shown</p>', f"{left_out:,}") if left_out else ""
    return format_html('<pre class="shown">{}</pre>{}', shown, note)
