"""The endpoints about media, whose answers do not depend on a user."""
