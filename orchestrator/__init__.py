"""The wiring of the project: settings, Celery application, URLs."""

from orchestrator.celery import app as celery_app

__all__ = ["celery_app"]
