"""The app of process rows: what a process is, and what became of it."""

from django.apps import AppConfig


class ProcessesConfig(AppConfig):
    """Process rows, their states, identities and history. Knows nothing of tasks."""

    name = "processes"
    default_auto_field = "django.db.models.BigAutoField"
