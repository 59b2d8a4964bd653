"""`compile`: what models score with, ahead of the first training."""

import click

from recommender.cli.epilog import epilog


@click.command(name="compile", epilog=epilog("compile"))
def compile_models() -> None:
    """Compile what models score with, so that the first training is quicker by that.

    It takes some seconds, and the result is kept beside the code, or in NUMBA_CACHE_DIR. The demo does it by
    itself while its data are loaded.
    """
    # It brings what models learn with.
    from recommender.training.compilation import compile_models as compile_all  # noqa: PLC0415 - see above

    compile_all()
