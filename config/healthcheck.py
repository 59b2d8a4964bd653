"""`python -m config.healthcheck`: whether the service of this container answers, as an exit status.

It imports only what is needed: Docker runs it every few seconds.
"""

import http.client
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address

_WAIT_S = 2.0


def address(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return where the service can be reached; empty variables count as not set, as in the settings."""
    host = environment.get("HOST", "").strip("[]") or "127.0.0.1"
    with suppress(ValueError):
        if ip_address(host).is_unspecified:
            # On all addresses.
            host = "::1" if ":" in host else "127.0.0.1"
    return host, int(environment.get("PORT") or 5000)


def is_healthy(host: str, port: int) -> bool:
    """Return whether the service answers."""
    connection = http.client.HTTPConnection(host, port, timeout=_WAIT_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_healthy(*address(os.environ)))
