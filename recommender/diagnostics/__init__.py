"""Looks at the three databases before they are served from, and says what is wrong with them."""
