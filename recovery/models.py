"""Rows of recovery: when each scan last ran. What scans found and did are events of the processes."""

from django.db import models


class ScanRun(models.Model):
    """The last run of one recovery scan."""

    name = models.TextField(primary_key=True)
    ran_at = models.DateTimeField()
    found = models.IntegerField()
    ran_by = models.TextField()

    def __str__(self) -> str:
        return self.name
