"""Personalized media recommendations directly from an app's PostgreSQL databases."""

__version__ = "1.0.0"
