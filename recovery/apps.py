"""The app of recovery: finds what got stuck and calls the transitions of the other apps."""

from django.apps import AppConfig


class RecoveryConfig(AppConfig):
    """Recovery scans. Without this app everything works until something crashes."""

    name = "recovery"
    default_auto_field = "django.db.models.BigAutoField"
