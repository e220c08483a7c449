"""The ASGI application: `python -m uvicorn orchestrator.asgi:application`."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django = get_wsgi_application()

# They need Django's apps.
from orchestrator.serving.application import Application  # noqa: E402
from orchestrator.serving.bridge import Bridge  # noqa: E402
from orchestrator.serving.lookout import Lookout  # noqa: E402
from orchestrator.serving.static import StaticFiles  # noqa: E402
from orchestrator.serving.waiting_room import Limits, WaitingRoom  # noqa: E402

application = Application(
    Bridge(StaticFiles(django), settings.ORCHESTRATOR_SERVER_THREADS - 1),
    WaitingRoom(Lookout(), Limits(settings.ORCHESTRATOR_TOKEN_WAITING_LIMIT, settings.ORCHESTRATOR_WAITING_LIMIT)),
    settings.ORCHESTRATOR_BODY_LIMIT_BYTES,
)
