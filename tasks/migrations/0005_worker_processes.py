"""Which worker processes live, what they serve and hold."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """A row per worker process, kept by its side thread."""

    dependencies = [
        ("tasks", "0004_clocks_that_stand"),
    ]

    operations = [
        migrations.CreateModel(
            name="WorkerProcess",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("host", models.TextField()),
                ("pid", models.IntegerField()),
                ("node", models.TextField()),
                ("pool", models.TextField()),
                ("queues", models.JSONField(default=list)),
                ("actors", models.JSONField(default=list)),
                ("held", models.IntegerField(default=0)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("heard_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "worker processes",
            },
        ),
    ]
