"""Benchmarks: the engine beside what a user could pick instead, in one run."""
