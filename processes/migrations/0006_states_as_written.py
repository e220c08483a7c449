"""People read states as they are written everywhere else: in capitals. Changes nothing in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Labels of choices."""

    dependencies = [
        ("processes", "0005_failed_by_age"),
    ]

    operations = [
        migrations.AlterField(
            model_name="process",
            name="state",
            field=models.TextField(
                choices=[
                    ("REGISTERING", "REGISTERING"),
                    ("RUNNING", "RUNNING"),
                    ("PAUSED", "PAUSED"),
                    ("FAILED", "FAILED"),
                    ("COMPLETED", "COMPLETED"),
                    ("TIMED_OUT", "TIMED_OUT"),
                    ("ABORTED", "ABORTED"),
                ],
                default="REGISTERING",
            ),
        ),
        migrations.AlterField(
            model_name="tombstone",
            name="state",
            field=models.TextField(
                choices=[
                    ("REGISTERING", "REGISTERING"),
                    ("RUNNING", "RUNNING"),
                    ("PAUSED", "PAUSED"),
                    ("FAILED", "FAILED"),
                    ("COMPLETED", "COMPLETED"),
                    ("TIMED_OUT", "TIMED_OUT"),
                    ("ABORTED", "ABORTED"),
                ]
            ),
        ),
    ]
