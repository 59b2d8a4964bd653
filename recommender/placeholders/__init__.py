"""Placeholder covers for items that have none, drawn from id, title, genre and year."""
