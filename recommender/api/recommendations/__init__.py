"""Recommendations for users, for many users, and for people without an account."""
