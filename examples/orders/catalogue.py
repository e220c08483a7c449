"""What the shop sells."""

from examples.orders.models import Product

PRODUCTS = {
    "TEA-ASSAM-250": "Assam black tea, 250 g",
    "TEA-SENCHA-100": "Sencha green tea, 100 g",
    "TEA-ROOIBOS-250": "Rooibos, 250 g",
    "COF-YIRGA-500": "Yirgacheffe coffee beans, 500 g",
    "COF-DECAF-250": "Decaffeinated coffee, 250 g",
    "POT-CAST-1L": "Cast iron teapot, 1 l",
    "POT-GLASS-1L": "Glass teapot, 1.2 l",
    "CUP-STONE-4": "Stoneware cups, set of four",
    "SIEVE-FINE": "Fine tea sieve",
    "KETTLE-GOOSE": "Gooseneck kettle",
    "SCALE-POCKET": "Pocket scale, 0.1 g",
    "TIN-STORAGE": "Storage tin",
}
INITIAL_STOCK = 1000


def stock_up() -> None:
    """Put the products on the shelves that are not there yet."""
    Product.objects.bulk_create(
        [
            Product(sku=sku, name=name, initial_stock=INITIAL_STOCK, stock=INITIAL_STOCK)
            for sku, name in PRODUCTS.items()
        ],
        ignore_conflicts=True,
    )
