"""Programs that tests run and Debian installs."""

import os
import shutil

import pytest


def installed(*names: str, package: str) -> str:
    """The path of the first of these that there is. Without one a test is skipped, but in CI it fails."""
    # Debian puts servers where only root looks for them.
    places = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for name in names:
        binary = shutil.which(name, path=places)
        if binary is not None:
            return binary
    message = f"no {names[0]} is installed (on Debian: apt-get install {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
