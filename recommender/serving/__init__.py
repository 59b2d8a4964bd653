"""Makes results: one path for users, one for items, and fallbacks for outages."""
