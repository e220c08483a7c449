"""Reads settings from environment variables, loudly: a wrong value refuses to start and says which."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

NAME = r"[\w.-]+"


class Environment:
    """Environment variables, each read once by the helper that fits it. Raises ImproperlyConfigured, in one line."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self._read: set[str] = set()

    def text(self, name: str, default: str | None = None) -> str:
        """Text; required where there is no default."""
        self._read.add(name)
        value = self._variables.get(name, default)
        if value is None or (value == "" and default is None):
            raise ImproperlyConfigured(f"{name} must be set")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false"):
            raise self._wrong(name, value, "true or false")
        return value == "true"

    def integer(self, name: str, default: int, *, least: int = 1, most: int = 2**31 - 1) -> int:
        """A whole number between `least` and `most`."""
        value = self.text(name, str(default))
        if not re.fullmatch(r"-?\d+", value) or not least <= int(value) <= most:
            raise self._wrong(name, value, f"a whole number from {least} to {most}")
        return int(value)

    def seconds(self, name: str, default: float, *, least: float = 0.001, most: float = 366 * 86400.0) -> float:
        """A number of seconds between `least` and `most`."""
        value = self.text(name, str(default))
        if not re.fullmatch(r"\d+(\.\d+)?", value) or not least <= float(value) <= most:
            raise self._wrong(name, value, f"a number of seconds from {least} to {most}")
        return float(value)

    def choice(self, name: str, default: str, among: Sequence[str]) -> str:
        """One of several words."""
        value = self.text(name, default)
        if value not in among:
            raise self._wrong(name, value, " or ".join(among))
        return value

    def name(self, name: str, default: str) -> str:
        """A name of letters, digits, dots and dashes."""
        value = self.text(name, default)
        if not re.fullmatch(NAME, value, re.ASCII):
            raise self._wrong(name, value, "a name of letters, digits, dots and dashes")
        return value

    def words(self, name: str, pattern: str = NAME) -> list[str]:
        """Words separated by commas, each once; none by default."""
        words = [word.strip() for word in self.text(name, "").split(",") if word.strip()]
        for word in words:
            if not re.fullmatch(pattern, word, re.ASCII):
                raise self._wrong(name, word, "words of letters, digits, dots and dashes, separated by commas")
        return list(dict.fromkeys(words))

    def apps(self, name: str) -> list[str]:
        """Django apps, separated by commas: modules, or configurations of apps (whose names have a capital)."""
        words = self.words(name)
        for word in words:
            parent, _, last = word.rpartition(".")
            if not _can_be_imported(parent if last[:1].isupper() else word):
                raise self._wrong(name, word, "Django apps that can be imported, separated by commas")
        return words

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        """A URL with one of the schemes; required. The value is not repeated in errors: it may hold a password."""
        value = self.text(name)
        scheme = value.partition("://")[0]
        if "://" not in value or scheme not in schemes:
            raise ImproperlyConfigured(
                f"{name} must be a URL that begins with {' or '.join(f'{s}://' for s in schemes)}"
            )
        try:
            _ = urlsplit(value).port
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} must be a URL whose port is a number; write / in a password as %2F, @ as %40"
            ) from None
        return value

    def refuse_unknown(self, prefix: str) -> None:
        """Refuse variables with this prefix that nothing has read: they are misspelt."""
        unknown = sorted(name for name in self._variables if name.startswith(prefix) and name not in self._read)
        if unknown:
            raise ImproperlyConfigured(f"no such setting: {', '.join(unknown)}")

    def _wrong(self, name: str, value: str, expected: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"{name}={value!r}: must be {expected}")


def _can_be_imported(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
