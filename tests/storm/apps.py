"""The app of the chaos test."""

from django.apps import AppConfig


class StormConfig(AppConfig):
    """Actors that leave traces."""

    name = "tests.storm"
    default_auto_field = "django.db.models.BigAutoField"
