"""A row that actors of the tests write."""

from django.db import models


class Effect(models.Model):
    """Something that a transactional worker did."""

    what = models.TextField()

    def __str__(self) -> str:
        return self.what
