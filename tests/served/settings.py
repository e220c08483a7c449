"""The settings of the tests, with the URLs of the tests beside the project's."""

from tests.settings import *  # noqa: F403  # the settings module of a program

ROOT_URLCONF = "tests.served.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
