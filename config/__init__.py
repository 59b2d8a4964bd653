"""How the service is set up: settings, logging, Gunicorn."""
