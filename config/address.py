"""Whether the server can listen on HOST and PORT."""

import errno
import socket

from config.http_settings import HttpSettings
from config.setting_types import SettingsError


def refuse_unusable_address(http: HttpSettings) -> None:
    """Bind a socket to HOST and PORT for a moment.

    Raises:
        SettingsError: that is impossible.
    """
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((http.host, http.port))
        except (OSError, UnicodeError) as exc:
            raise SettingsError(_in_words(http, exc)) from exc


def _in_words(http: HttpSettings, error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return f"HOST and PORT: {http.host} is not a name of a host"
    problem = f"HOST and PORT: cannot listen on {http.host}:{http.port} ({error.strerror})"
    if error.errno != errno.EADDRINUSE:
        return problem
    return (
        f"{problem}. Another program, or an earlier Marquee, may use the port. "
        f"Stop it, or set PORT={http.port + 1}"
    )
