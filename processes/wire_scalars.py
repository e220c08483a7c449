"""Reads what a client sent as the content of a tag that holds no values: strictly, each in few forms."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from processes.values import Json, read_datetime

_INT = re.compile(r"0|-?[1-9][0-9]{0,18}")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{6})?)?)?"
)


def _text(content: Json, form: re.Pattern[str]) -> str:
    if type(content) is not str or not form.fullmatch(content):
        raise ValueError(form.pattern)
    return content


def _datetime(content: Json) -> datetime:
    text, fold, *zones = content if type(content) is list else (content, 0)
    offset = _TIME.fullmatch(_text(text, _TIME)).group("offset")  # type: ignore[union-attr]  # it matches
    if type(fold) is not int or fold not in (0, 1):
        raise ValueError("fold")
    for zone in zones:
        if type(zone) is str and offset is not None:
            raise ValueError("a zone beside an offset")
        if type(zone) is not str and (offset is None or zone.keys() != {"name"} or type(zone["name"]) is not str):
            raise ValueError("a name without an offset")
    if len(zones) > 1:
        raise ValueError("too many")
    return read_datetime(content)


def _timedelta(content: Json) -> timedelta:
    if type(content) is not list or [type(each) for each in content] != [int, int, int]:
        raise ValueError("three integers")
    return timedelta(*content)


def _bytes(content: Json) -> bytes:
    value = b64decode(content, validate=True)
    if b64encode(value).decode() != content:
        raise ValueError("bits beyond the last byte")
    return value


SCALARS: Mapping[str, tuple[Callable[[Json], Any], str]] = {
    "int": (lambda content: int(_text(content, _INT)), 'text like "-9007199254740993", within 64 bits'),
    "float": (lambda content: float(_text(content, _FLOAT)), 'text like "1.0" or "-2.5e22"'),
    "decimal": (lambda content: Decimal(_text(content, _DECIMAL)), 'text like "1.10"'),
    "uuid": (lambda content: UUID(_text(content, _UUID)), 'text like "0198c1a4-7e5c-7d3a-9c07-2f6d8a1b3c4d"'),
    "bytes": (_bytes, "base64 with padding, of the alphabet with + and /"),
    "date": (lambda content: date.fromisoformat(_text(content, _DATE)), 'text like "2026-02-28"'),
    "datetime": (_datetime, '"2026-02-28T12:30:00.000001+01:00", or [text, fold], or [text, fold, zone]'),
    "timedelta": (_timedelta, "three integers: [days, seconds, microseconds]"),
}
"""By tag: what reads the content (raising whatever it likes), and the form that is expected."""
