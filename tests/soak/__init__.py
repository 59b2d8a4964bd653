"""A soak test: mixed load on a real Gunicorn during faults of its databases, data and clock."""
