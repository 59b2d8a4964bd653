"""`make-key`: make an API key for a caller, and its entry for API_KEYS."""

from collections.abc import Sequence

import click

from config.access_settings import KeyScope
from recommender.auth_keys import make_key as new_key
from recommender.cli.epilog import epilog


@click.command(epilog=epilog("make-key shop-frontend --scope read", "make-key prometheus --scope ops"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in KeyScope]),
    multiple=True,
    required=True,
    help="What the key gives access to: read for the API, ops for /metrics and /api/models. Repeatable.",
)
def make_key(*, name: str, scopes: Sequence[str]) -> None:
    """Make an API key, and its entry for API_KEYS.

    NAME is that of the caller. Each caller of a service that others can reach needs a key. The key is stored
    nowhere: hand it over now. The entry is not secret.
    """
    try:
        key, known = new_key(name, map(KeyScope, scopes))
    except ValueError as exc:
        raise click.BadParameter(
            "must be up to 64 letters, digits and . _ -, a letter or digit first", param_hint="NAME"
        ) from exc
    click.echo(f"The key, shown this once:  {key}")
    click.echo(f"Its entry in API_KEYS:     {known.entry}")
