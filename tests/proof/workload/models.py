"""What transactional workers write: rows that must be there exactly once each."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Effect(models.Model):
    """The effect of one attempt of a booking. Nothing in the database keeps it from being there twice."""

    task_id = models.UUIDField()
    attempt = models.IntegerField()
    nonce = models.TextField()

    objects: ClassVar[models.Manager[Effect]] = models.Manager()

    def __str__(self) -> str:
        return self.nonce
