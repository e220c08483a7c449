"""Admin pages of the shop."""

from django.contrib import admin

from examples.orders.models import Booking, Invoice, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for type checkers only
    """What is on the shelves."""

    list_display = ("sku", "name", "initial_stock", "stock")


@admin.register(Booking)
class BookingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """What is put aside for orders."""

    list_display = ("order_number", "product", "quantity", "released", "dispatched_at")
    list_select_related = ("product",)
    list_filter = ("released",)


@admin.register(Invoice)
class InvoiceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """What was invoiced."""

    list_display = ("order_number", "payment", "total")
