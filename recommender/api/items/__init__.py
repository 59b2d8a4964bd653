"""The endpoints about items, whose answers do not depend on a user."""
