"""The app of the orders example."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Fulfils orders."""

    name = "examples.orders"
    label = "orders"
    default_auto_field = "django.db.models.BigAutoField"
