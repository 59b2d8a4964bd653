"""What a worker keeps of the catalogue in memory."""

from pydantic import Field

from config.setting_types import Count, SettingsGroup, Share


class CatalogSettings(SettingsGroup):
    """When the catalogue index is loaded again, when a load is believed, and how many details are cached.

    `catalogue_max_loss`: the share of items, their genres or interactions that a load may lack and be used at
    once. `catalogue_loss_seconds`: how long a larger loss must last before it is believed.
    """

    catalogue_refresh_seconds: Count = 300
    catalogue_max_loss: Share = 0.2
    catalogue_loss_seconds: Count = 60
    media_cache_size: Count = 10_000
    media_cache_mb: int = Field(default=64, ge=1, le=1_000_000)

    @property
    def media_cache_bytes(self) -> int:
        """The bytes that cached details may take."""
        return self.media_cache_mb * 1_000_000
