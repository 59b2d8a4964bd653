"""Where Gunicorn's workers put their counts, for whichever of them is asked to add up."""

import functools
import os
import shutil
import tempfile


@functools.cache
def share_metrics() -> str:
    """Make an empty folder for this start, and name it in the environment.

    Before prometheus_client is imported, which then decides how to count. A reload, which runs the
    configuration again, keeps the folder: its old workers still write there.
    """
    folder = tempfile.mkdtemp(prefix="marquee-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    return folder


def remove_metrics() -> None:
    """Remove the folder."""
    shutil.rmtree(share_metrics(), ignore_errors=True)
