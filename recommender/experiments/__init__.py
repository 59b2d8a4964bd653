"""Experiments: who gets which ranking, and what came of it."""
