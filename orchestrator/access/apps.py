"""The Django app of who may what: the tokens of the clients of the API."""

import logging

from django.apps import AppConfig

from orchestrator.access.hiding import Record


class AccessConfig(AppConfig):
    """Tokens: made, shown, revoked, and asked what they allow. Knows nothing of HTTP."""

    name = "orchestrator.access"
    label = "access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """From now on no handler of any logger writes a secret."""
        logging.setLogRecordFactory(Record)
