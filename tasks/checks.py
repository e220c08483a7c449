"""System checks of the engine."""

from collections.abc import Sequence

from django.core.checks import CheckMessage, Error
from django.db import connections
from psycopg import IsolationLevel


def check_isolation(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse an isolation level other than READ COMMITTED on the engine's database: its locks rely on it."""
    if connections["default"].vendor != "postgresql":
        return [Error("the default database must be PostgreSQL", id="orchestrator.E001")]
    level = connections["default"].settings_dict["OPTIONS"].get("isolation_level", IsolationLevel.READ_COMMITTED)
    if level != IsolationLevel.READ_COMMITTED:
        return [
            Error(
                "the default database must run in READ COMMITTED",
                hint="Remove isolation_level from its OPTIONS.",
                id="orchestrator.E002",
            )
        ]
    return []
