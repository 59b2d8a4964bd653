"""A soak: mixed load on a real Gunicorn while its databases, its data and its clock are disturbed in turn."""
