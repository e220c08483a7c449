"""A Django app with the actors that tests run on real workers."""
