"""The start page at `/`."""
