"""Data and a database to try the service on: nothing here runs in production."""
