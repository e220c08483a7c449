"""Schedules the recovery scans: one django-celery-beat row each, editable in the admin."""

from django.db import migrations

PERIODS = {
    "stuck_registrations": 2,
    "process_start_to_end": 5,
    "task_enqueue_to_end": 5,
    "task_poll_to_end": 5,
    "task_heartbeat": 5,
    "due": 1,
    "lost_wakeups": 2,
}


def schedule(apps, schema_editor):
    """Create the rows; one that is there already stays as it is."""
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule")
    periodic_tasks = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, seconds in PERIODS.items():
        interval, _ = intervals.objects.get_or_create(every=seconds, period="seconds")
        periodic_tasks.objects.get_or_create(
            name=f"recovery: {name}",
            defaults={
                "task": f"recovery.{name}",
                "interval": interval,
                "expire_seconds": seconds,
            },
        )


def unschedule(apps, schema_editor):
    """Remove the rows."""
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(
        name__in=[f"recovery: {name}" for name in PERIODS]
    ).delete()


class Migration(migrations.Migration):
    """The scans of the first release."""

    dependencies = [
        ("recovery", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(schedule, unschedule)]
