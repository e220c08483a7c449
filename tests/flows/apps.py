"""The app of the tests' own actors."""

from django.apps import AppConfig


class FlowsConfig(AppConfig):
    """Actors for tests, and a row that transactional ones write."""

    name = "tests.flows"
    label = "flows"
    default_auto_field = "django.db.models.BigAutoField"
