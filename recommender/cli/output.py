"""Output of commands: muted loggers, results and warnings."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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


def print_outcome(text: str, *, err: bool = False) -> None:
    """Print a line about what is done already, and go on if it cannot be printed."""
    try:
        click.echo(text, err=err)
    except OSError as exc:
        stream = sys.stderr if err else sys.stdout
        # The line is still in a buffer, which Python writes again when it ends: with a failure as its status.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        if not err:
            with suppress(OSError):
                click.echo(f"The summary cannot be printed: {exc.strerror}.", err=True)


def warn(message: str) -> None:
    """Print a warning about something that does not stop the command."""
    click.echo(f"Warning: {plain_lines(message)}.", err=True)


def plain(text: str) -> str:
    """Return a line of text, such as a database's, without control characters, which a terminal obeys."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def plain_lines(text: str) -> str:
    """Return a text without control characters other than line breaks."""
    return "\n".join(map(plain, text.split("\n")))
