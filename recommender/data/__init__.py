"""What models are trained and evaluated on, and where it comes from."""
