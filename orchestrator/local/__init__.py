"""Runs the project on one machine: embedded servers out of wheels, real workers, beat and web server.

For demo, tests and trying things out; a deployment brings its own PostgreSQL and broker.
"""
