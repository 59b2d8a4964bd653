"""`compile`: compile the code of models before the first training."""

import click

from recommender.cli.epilog import epilog


@click.command(name="compile", epilog=epilog("compile"))
def compile_models() -> None:
    """Compile the models' code before the first training.

    Takes some seconds. The result is kept beside the code, or in NUMBA_CACHE_DIR. The demo does this while it
    loads its data.
    """
    # Imports the training libraries, which are slow to load.
    from recommender.training.compilation import compile_models as compile_all  # noqa: PLC0415 - see above

    compile_all()
