"""Output of commands: muted loggers and warnings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Mute loggers whose messages the command prints in its own words."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def warn(message: str) -> None:
    """Print a warning about something that does not stop the command."""
    click.echo(f"Warning: {plain_lines(message)}.", err=True)


def plain(text: str) -> str:
    """Return a line of text, such as a database's, without control characters, which a terminal obeys."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def plain_lines(text: str) -> str:
    """Return a text without control characters other than line breaks."""
    return "\n".join(map(plain, text.split("\n")))
