"""The app of the tests' own actors."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class FlowsConfig(AppConfig):
    """Actors for tests, and a row that transactional ones write."""

    name = "tests.flows"
    label = "flows"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the actors that do not stand in `actors.py`."""
        autodiscover_modules("shapes")
