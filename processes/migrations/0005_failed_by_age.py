"""How long FAILED processes have stood still, by actor: retention may abort them after an age."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One partial index."""

    dependencies = [
        ("processes", "0004_predecessors"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="process",
            index=models.Index(
                condition=models.Q(("state", "FAILED")),
                fields=["actor", "stood_still_at"],
                name="process_failed",
            ),
        ),
    ]
