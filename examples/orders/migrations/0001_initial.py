"""The rows of the shop."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("order_number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("payment", models.TextField(unique=True)),
                ("total", models.DecimalField(decimal_places=2, max_digits=12)),
            ],
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("sku", models.TextField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("initial_stock", models.PositiveIntegerField()),
                ("stock", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Booking",
            fields=[
                ("order_number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("quantity", models.PositiveIntegerField()),
                ("released", models.BooleanField(default=False)),
                ("product", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="orders.product")),
            ],
        ),
    ]
