"""The rows of this app."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ScanRun",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("ran_at", models.DateTimeField()),
                ("found", models.IntegerField()),
                ("ran_by", models.TextField()),
            ],
        ),
    ]
