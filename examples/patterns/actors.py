"""Where the engine finds the actors of this app: one module for each pattern."""

from examples.patterns import approvals, contacts, newsletters, reports, trips

__all__ = ["approvals", "contacts", "newsletters", "reports", "trips"]
