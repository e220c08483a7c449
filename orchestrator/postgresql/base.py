"""Django's PostgreSQL backend, which gets over a COMMIT that was interrupted in this process."""

from __future__ import annotations

from django.db import Error
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Closes a connection whose COMMIT was interrupted.

    What interrupts a COMMIT and is no database error (SystemExit: a pool process is told to end) leaves Django's
    `atomic()` with an open transaction. It cannot go back to autocommit then, and its complaint takes the place of the
    interruption: whoever handles that goes on working inside a transaction that nobody commits. Django also keeps what
    was to be done after that COMMIT, and does it after the next one.
    """

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # the stubs do not know it
        except Error:
            raise
        except BaseException:
            # The server rolls back, or commits what it was told to commit; the interruption goes its way.
            self.close()
            raise
