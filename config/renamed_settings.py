"""Old names of settings, which still work."""

from collections.abc import Mapping

from config.setting_types import SettingsError

RENAMED = {
    "CATALOGUE_REFRESH_SECONDS": "CATALOG_REFRESH_SECONDS",
    "CATALOGUE_TIMEOUT_MS": "CATALOG_TIMEOUT_MS",
    "CATALOGUE_MAX_LOSS": "CATALOG_MAX_LOSS",
    "CATALOGUE_LOSS_SECONDS": "CATALOG_LOSS_SECONDS",
}


def with_new_names(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the variables, with the values of old names under the new names.

    Raises:
        SettingsError: one line for each setting with different values under its two names.
    """
    values = {name: value for name, value in given.items() if name not in RENAMED}
    conflicts = []
    for old, new in RENAMED.items():
        if not (value := given.get(old)):
            continue
        if values.get(new) not in (None, "", value):
            conflicts.append(f"{new}: {old} is its old name, and is set to another value; remove {old}")
        values[new] = value
    if conflicts:
        raise SettingsError("\n".join(conflicts))
    return values
