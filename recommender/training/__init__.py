"""Fits models to the databases and publishes them."""
