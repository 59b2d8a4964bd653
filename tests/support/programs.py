"""Programs that tests run, from Debian packages."""

import os
import shutil

import pytest


def installed(*names: str, package: str) -> str:
    """Return the path of the first installed one. Without any the test is skipped; in CI it fails."""
    # Debian installs servers in folders that are only in root's PATH.
    places = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for name in names:
        binary = shutil.which(name, path=places)
        if binary is not None:
            return binary
    message = f"no {names[0]} is installed (on Debian: apt-get install {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
