"""The app of the soak."""

from django.apps import AppConfig


class SoakConfig(AppConfig):
    """Actors of all shapes."""

    name = "tests.storm.soak"
