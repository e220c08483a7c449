"""Runs the hot SQL of this app: one statement a file, named after what it does."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.db import connection

FOLDER = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (FOLDER / f"{name}.sql").read_text()


def fetch(name: str, /, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run `sql/<name>.sql` on the default connection and return its rows.

    Values go in as parameters only. Raises what the database raises.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement(name), parameters)
        return cursor.fetchall() if cursor.description else []


def records(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as one JSON text, for `json_to_recordset`: one parameter however many columns and rows."""
    return orjson.dumps(list(rows)).decode()
