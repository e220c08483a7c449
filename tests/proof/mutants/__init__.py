"""Planted bugs: changes of the engine that a careful engineer might make, each of which must be caught."""
