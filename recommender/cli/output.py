"""What commands tell, and what they keep to themselves."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Keep to itself what a command tells in its own words."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def warn(message: str) -> None:
    """Tell of something that is wrong, and did not keep a command from its end."""
    click.echo(f"Warning: {message}.", err=True)
