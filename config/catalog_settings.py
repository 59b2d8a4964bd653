"""What a worker keeps of the catalog in memory."""

from pathlib import Path

from pydantic import Field, field_validator

from config.setting_types import HOME, ROOT, Count, SettingsGroup, Share


class CatalogSettings(SettingsGroup):
    """When the catalog index is loaded again, when a load is believed, and how many details are cached.

    `catalog_max_loss`: the share of items, their genres or interactions that a load may lack and be used at
    once. `catalog_loss_seconds`: how long a larger loss must last before it is believed. `attributes_path`:
    the file that declares an app's own attributes, relative to the project.
    """

    catalog_refresh_seconds: Count = 300
    catalog_max_loss: Share = 0.2
    catalog_loss_seconds: Count = 60
    media_cache_size: Count = 10_000
    media_cache_mb: int = Field(default=64, ge=1, le=1_000_000)
    attributes_path: Path = ROOT / "config" / "attributes.toml"

    @field_validator("attributes_path")
    @classmethod
    def _from_here(cls, value: Path) -> Path:
        return HOME / value

    @property
    def media_cache_bytes(self) -> int:
        """The bytes that cached details may take."""
        return self.media_cache_mb * 1_000_000
