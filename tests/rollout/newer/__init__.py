"""A Django app with the newer code."""
