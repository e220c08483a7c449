"""The Celery application: worker pool, clock and bell."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import task_prerun
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
