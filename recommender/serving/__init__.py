"""What answers are made of: one path for users, one for media, and what remains of them in an outage."""
