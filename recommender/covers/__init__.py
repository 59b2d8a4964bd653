"""Pictures for media without one, drawn from title and genre; pure."""
