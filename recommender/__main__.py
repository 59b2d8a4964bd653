"""`python -m recommender`."""

import sys

try:
    from recommender.cli.main import main
except ModuleNotFoundError as exc:
    if exc.name is None or exc.name.partition(".")[0] in ("config", "recommender"):
        raise
    # Most often a shell's own Python was started instead of that of the environment.
    sys.exit(
        f"Error: {exc.name} is not installed for {sys.executable}. Activate the environment that has the "
        "requirements: `. .venv/bin/activate`."
    )

sys.exit(main())
