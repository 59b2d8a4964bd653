"""Data and databases for trials; not used in production."""
