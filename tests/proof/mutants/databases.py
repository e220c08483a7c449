"""Empty databases, for one catcher each: copies of one that was migrated once."""

from __future__ import annotations

import secrets

import psycopg
from psycopg.sql import SQL, Identifier

from orchestrator.local.postgres import DATABASE
from orchestrator.local.running import environment, manage
from orchestrator.local.servers import Servers


class Databases:
    """Makes databases on embedded servers, which run already. No planted bug changes a migration."""

    def __init__(self, servers: Servers) -> None:
        assert servers.postgres is not None
        self._postgres = servers.postgres
        manage({**environment(servers.urls), "DJANGO_SETTINGS_MODULE": "tests.settings"}, "migrate", "--verbosity", "0")

    def make(self) -> str:
        """The URL of a new one. May be called from any thread."""
        name = f"mutant_{secrets.token_hex(4)}"
        copy = SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(DATABASE))
        with psycopg.connect(self._postgres.url_of("postgres"), autocommit=True) as connection:
            connection.execute(copy)
        return self._postgres.url_of(name)
