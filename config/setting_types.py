"""What settings are made of."""


class SettingsError(Exception):
    """The environment does not make a valid configuration; the message names the variables."""
