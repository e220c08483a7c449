"""The rows of the patterns."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Contact",
            fields=[
                ("email", models.TextField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("number", models.TextField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.TextField(
                        choices=[("open", "Open"), ("paid", "Paid"), ("refused", "Refused"), ("overdue", "Overdue")],
                        default="open",
                    ),
                ),
                ("reminders", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                ("address", models.TextField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="Partner",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("is_sold_out", models.BooleanField(default=False)),
                ("answers", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name="Report",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer", models.TextField(unique=True)),
                ("content", models.TextField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Booking",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("trip", models.TextField()),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("partner", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="patterns.partner")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("trip", "partner"), name="booking_once_for_each_trip_and_partner")
                ],
            },
        ),
    ]
