"""Fit models to the databases and publish them."""
