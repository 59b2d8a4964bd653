"""The page at `/`, for whoever opens the service in a browser to see what it is."""
