"""The `marquee` command, and `python -m marquee`."""

import sys

from recommender.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
