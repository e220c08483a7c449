"""The files of the admin and of the API's page, served without a web server in front."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.handlers import StaticFilesHandler


class StaticFiles(StaticFilesHandler):
    """Django's own handler, which looks for whatever it is asked for; here it is asked only for files that are there.

    They are listed once: the files of installed apps do not change while a server runs.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application)
        self._paths = {settings.STATIC_URL + name for finder in get_finders() for name, _ in finder.list([])}

    def _should_handle(self, path: str) -> bool:
        return path in self._paths
