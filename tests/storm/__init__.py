"""A Django app for the chaos test: a workload that leaves traces of everything it does."""
