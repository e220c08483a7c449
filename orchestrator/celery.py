"""The Celery application: worker pool, clock and bell."""

from __future__ import annotations

import gc
import os

from celery import Celery
from celery.signals import task_prerun, task_revoked, worker_process_init, worker_ready
from celery.worker import state
from celery.worker.request import Request
from django.db import close_old_connections

from orchestrator.putting_back import survive_broken_brokers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

survive_broken_brokers()
app = Celery("orchestrator")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="celery_tasks")


@task_prerun.connect
def _close_old_connections(**_: object) -> None:
    """Connections are kept between tasks, so a broken or old one must be noticed here."""
    close_old_connections()


@task_revoked.connect
def _forget_what_expired(request: Request, expired: bool, **_: object) -> None:
    """Celery remembers the ids of expired messages for three hours among the revoked ones, up to 50,000.

    It need not: a copy of such a message has expired, too. Bells for help are many, and expire after a second.
    """
    if expired:
        state.revoked.discard(request.id)


@worker_ready.connect
@worker_process_init.connect
def _set_aside_what_stays(**_: object) -> None:
    """Tell Python's collector that what is there now, code and settings, stays.

    Otherwise it looks at all of that each time, and so seldom that tracebacks of broken connections, which refer to
    themselves, live for many minutes. A child that touches less of it also shares more memory with its parent.
    """
    gc.freeze()
