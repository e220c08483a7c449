"""People read states as they are written everywhere else: in capitals. Changes nothing in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Labels of choices."""

    dependencies = [
        ("tasks", "0005_worker_processes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="task",
            name="state",
            field=models.TextField(
                choices=[
                    ("WAITING", "WAITING"),
                    ("DELAYED", "DELAYED"),
                    ("ENQUEUED", "ENQUEUED"),
                    ("HELD", "HELD"),
                    ("POLLED", "POLLED"),
                    ("DECIDED", "DECIDED"),
                    ("FAILED", "FAILED"),
                    ("COMPLETED", "COMPLETED"),
                    ("CANCELLED", "CANCELLED"),
                ],
                default="WAITING",
            ),
        ),
    ]
