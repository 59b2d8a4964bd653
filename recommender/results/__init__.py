"""Recommendations as JSON: types of the answers, and how they are made from results."""
