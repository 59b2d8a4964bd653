"""Tests that every model and every domain must pass."""
