"""Proofs: a model of the engine, and the engine held against it."""
