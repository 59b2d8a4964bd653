"""What others would build instead, each as plainly as its team would write it, under the same Gunicorn."""
