"""Limits and id formats of requests."""

import re

from pydantic import Field, field_validator

from config.setting_types import Count, SettingsGroup

UUID_PATTERN = r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class RequestSettings(SettingsGroup):
    """Limits of requests, and patterns of ids.

    `time_budget_ms`: how long a request for one user may wait for databases in total. `id_pattern`: of user
    ids.
    """

    time_budget_ms: Count = 1_000
    max_limit: int = Field(default=100, ge=1, le=1000)
    max_batch_users: int = Field(default=500, ge=1, le=10_000)
    max_batch_recommendations: Count = 50_000
    max_stream_users: int = Field(default=100_000, ge=1, le=1_000_000)
    # Ids are compared as text, so a pattern must admit one spelling of each. Where it ignores case, as the
    # one of UUIDs does, ids are put into lower case.
    id_pattern: str = UUID_PATTERN
    media_id_pattern: str = UUID_PATTERN

    @field_validator("id_pattern", "media_id_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as exc:
            raise ValueError(f"not a regular expression: {exc}") from exc
        return value

    @property
    def time_budget_s(self) -> float:
        """The time budget in seconds."""
        return self.time_budget_ms / 1000
