"""The endpoints of recommendations: for one user, for many, and without an account."""
