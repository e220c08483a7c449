"""Schedules the retention scan, like the others: a django-celery-beat row, editable in the admin."""

from django.db import migrations

SECONDS = 5


def schedule(apps, schema_editor):
    """Create the row; one that is there already stays as it is."""
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(
        every=SECONDS, period="seconds"
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="recovery: retention",
        defaults={"task": "recovery.retention", "interval": interval, "expire_seconds": SECONDS},
    )


def unschedule(apps, schema_editor):
    """Remove the row."""
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name="recovery: retention").delete()


class Migration(migrations.Migration):
    """Without a rule the scan looks into one small table."""

    dependencies = [
        ("recovery", "0003_retention_rules"),
    ]

    operations = [migrations.RunPython(schedule, unschedule)]
