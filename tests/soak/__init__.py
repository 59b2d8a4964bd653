"""A soak: mixed load on a real Gunicorn while its databases are killed, hung and restarted in turn."""
