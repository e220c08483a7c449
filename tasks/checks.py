"""System checks of the engine."""

from collections.abc import Sequence

from django.core.checks import CheckMessage, Error
from django.db import connections
from psycopg import IsolationLevel

ENGINES = ("django.db.backends.postgresql",)


def check_isolation(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse an isolation level other than READ COMMITTED on the engine's database: its locks rely on it."""
    settings = connections["default"].settings_dict
    if settings["ENGINE"] not in ENGINES:
        return [Error("the default database must be PostgreSQL", id="orchestrator.E001")]
    level = settings["OPTIONS"].get("isolation_level", IsolationLevel.READ_COMMITTED)
    if level != IsolationLevel.READ_COMMITTED:
        return [
            Error(
                "the default database must run in READ COMMITTED",
                hint="Remove isolation_level from its OPTIONS.",
                id="orchestrator.E002",
            )
        ]
    return []
