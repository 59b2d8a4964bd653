"""Checks of the three databases, each with what is wrong and what to do."""
