"""Serves the project over HTTP: Django in a few threads, and in front of it a waiting room that needs none."""
