"""Recommendations for many users, into a file, in a job that can be broken off and taken up again."""
