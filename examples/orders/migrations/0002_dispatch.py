"""Bookings know when their parcel was handed over."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="booking",
            name="dispatched_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name="booking",
            constraint=models.CheckConstraint(
                condition=models.Q(("released", False), ("dispatched_at", None), _connector="OR"),
                name="booking_is_not_both_released_and_dispatched",
            ),
        ),
    ]
