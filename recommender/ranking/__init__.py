"""Ranking of items: pure functions from arrays to arrays, deterministic, without I/O."""
