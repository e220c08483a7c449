"""A Django app with the older code."""
