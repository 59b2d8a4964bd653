"""How many files a worker may have open, and how many of its clients' connections fit into that."""

import resource

# As many idle connections as Gunicorn allows by default.
_IDLE_CONNECTIONS = 1_000
# What a worker opens besides connections: listeners, pipes, logs, files of the catalog and of models.
_OTHER_FILES = 128
# More is not needed, and some programs try to close every number that is allowed.
_MOST_FILES = 65_536


def raise_limit_of_open_files() -> int:
    """Raise this process' limit of open files as far as it may, for its workers, too; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # Some systems have a lower limit that they do not report.
        return soft
    return wanted


def most_connections(open_files: int, threads: int, to_databases: int) -> int:
    """Return how many connections of clients a worker may have.

    Always more than it has threads: requests never hold all of them, and further clients can connect.

    Args:
        open_files: the limit.
        threads: of the worker.
        to_databases: how many connections to databases the worker opens at most.
    """
    # While a statement is cancelled, a second connection to its server is open.
    reserved = 2 * to_databases + _OTHER_FILES
    return max(threads + 1, min(threads + _IDLE_CONNECTIONS, open_files - reserved))
