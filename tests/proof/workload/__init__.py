"""A Django app whose processes run generated flows and write down everything that happens to them."""
