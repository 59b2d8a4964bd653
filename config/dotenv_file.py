"""Reads `.env`, and refuses a file with a line that would be ignored."""

import re
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from config.setting_types import SettingsError

_NAME = re.compile(r"[\w.-]+")


def read_dotenv(path: Path) -> dict[str, str | None]:
    """Return the variables of a file; a name without `=` has None. A missing file has no variables.

    Raises:
        SettingsError: the file cannot be read, or one line for each line of it that sets no variable. The
            messages do not quote the file, which holds passwords.
    """
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except (FileNotFoundError, IsADirectoryError):
        # A folder of this name may be a virtual environment.
        return {}
    except UnicodeError:
        raise SettingsError(f"{path} cannot be read: it is not in UTF-8") from None
    except OSError as exc:
        raise SettingsError(f"{path} cannot be read: {exc.strerror}") from exc
    wrong = [_line_of(binding) for binding in bindings if not _is_readable(binding)]
    if wrong:
        # Quotes that are not closed may take up the lines that follow.
        raise SettingsError(
            "\n".join(
                f"{path}, line {line}: not of the form NAME=value, or a quotation mark is not closed"
                for line in wrong
            )
        )
    return {binding.key: binding.value for binding in bindings if binding.key is not None}


def _is_readable(binding: Binding) -> bool:
    # The parser takes all up to a `=`, such as that in a URL after `NAME:`, for a name.
    return not binding.error and (binding.key is None or _NAME.fullmatch(binding.key) is not None)


def _line_of(binding: Binding) -> int:
    """Return the number of a binding's first line that is not empty, counted from 1."""
    text = binding.original.string
    before = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(before.splitlines())
