"""How a worker keeps the catalog in memory."""

from pydantic import Field

from config.setting_types import ROOT, Count, HomePath, SettingsGroup, Share


class CatalogSettings(SettingsGroup):
    """When the catalog index is reloaded, when a load is accepted, and how many item details are cached.

    `catalog_max_loss`: the share of items, genres or interactions that a load may lack and still be used at
    once. `catalog_loss_seconds`: how long a larger loss must last before it is accepted. `attributes_path`:
    the file that declares an app's own attributes.
    """

    catalog_refresh_seconds: Count = 300
    catalog_max_loss: Share = 0.2
    catalog_loss_seconds: Count = 60
    media_cache_size: Count = 10_000
    media_cache_mb: int = Field(default=64, ge=1, le=1_000_000)
    attributes_path: HomePath = ROOT / "config" / "attributes.toml"

    @property
    def media_cache_bytes(self) -> int:
        """Memory for cached details, in bytes."""
        return self.media_cache_mb * 1_000_000
