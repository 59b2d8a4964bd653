"""Experiments: definitions, assignment of users to variants, and results."""
