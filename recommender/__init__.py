"""Personalised media recommendations straight from an app's PostgreSQL databases."""

__version__ = "1.0.0"
