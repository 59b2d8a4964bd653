"""Alternative designs, each written plainly, under the same Gunicorn."""
