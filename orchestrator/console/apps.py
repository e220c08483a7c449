"""The Django app of the pages that join rows of several apps."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The admin pages of processes, tasks and actors, and what people do there."""

    name = "orchestrator.console"
    label = "console"
