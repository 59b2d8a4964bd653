"""Gunicorn's settings, for `gunicorn -c python:marquee.gunicorn_config marquee.wsgi:app`.

They are those of `config/gunicorn.conf.py`, which cannot be imported by its name.
"""

import importlib.util
import sys
from typing import Any

from config.setting_types import ROOT

_PATH = ROOT / "config" / "gunicorn.conf.py"


def _read() -> dict[str, Any]:
    """Return the public names of the configuration file, which is executed each time."""
    spec = importlib.util.spec_from_file_location("marquee.gunicorn_file", _PATH)
    if spec is None or spec.loader is None:
        raise ImportError(f"{_PATH} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def _import_anew_at_reload() -> None:
    """Forget this module: Gunicorn imports it again at a reload, and the settings are then read again."""
    sys.modules.pop(__name__, None)


_settings = _read()
globals().update(_settings)


def when_ready(server: Any) -> None:
    """Run the hook of the configuration file."""
    _import_anew_at_reload()
    _settings["when_ready"](server)


def on_reload(_server: Any) -> None:
    """Prepare the next reload."""
    _import_anew_at_reload()
