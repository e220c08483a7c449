"""The app of the five patterns."""

from django.apps import AppConfig


class PatternsConfig(AppConfig):
    """Compensation, a loop, polling, fan-out with partial failure, approval over days."""

    name = "examples.patterns"
    label = "patterns"
    default_auto_field = "django.db.models.BigAutoField"
