"""The app of the engine: actors, and the tasks they perform."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules

from tasks.checks import check_isolation


class TasksConfig(AppConfig):
    """Start, registration, claim, execution, release. Actors are found in `actors.py` of every installed app."""

    name = "tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the actors of all installed apps, and have the settings checked."""
        register(check_isolation, Tags.database)
        autodiscover_modules("actors")
