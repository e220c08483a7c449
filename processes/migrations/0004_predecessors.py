"""The process that was restarted as this one is found by an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("processes", "0003_steering")]

    operations = [
        migrations.AddIndex(
            model_name="process",
            index=models.Index(
                fields=["restarted_as"],
                name="process_predecessor",
                condition=models.Q(restarted_as__isnull=False),
            ),
        ),
    ]
