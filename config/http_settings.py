"""Address and concurrency of the server."""

from ipaddress import ip_address

from pydantic import Field, field_validator

from config.setting_types import Count, SettingsGroup


def is_loopback(host: str) -> bool:
    """Return whether an address or name is a loopback address, which only this machine can reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpSettings(SettingsGroup):
    """How Gunicorn serves."""

    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=1, le=65535)
    workers: int = Field(default=2, ge=1, le=256)
    threads: int = Field(default=4, ge=1, le=256)
    max_waiting: int = Field(default=16, ge=0, le=1000)
    max_streams: int = Field(default=8, ge=1, le=1000)
    max_stream_seconds: Count = 1_800
    max_requests: int = Field(default=100_000, ge=0)
    # Longer than the 60 s of common load balancers: they would reuse a connection that is closed here.
    keep_alive_seconds: int = Field(default=75, ge=1, le=3_600)
    explorer: bool = True

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value.removeprefix("[").removesuffix("]")

    @property
    def is_loopback(self) -> bool:
        """Whether HOST is a loopback address, which only this machine can reach."""
        return is_loopback(self.host)

    @property
    def batch_slots(self) -> int:
        """How many batches, and how many streams, a process serves beside `threads` other requests."""
        return max(1, self.threads // 4)

    @property
    def max_batches(self) -> int:
        """How many batches a process has open at a time."""
        return self.batch_slots + self.max_waiting

    @property
    def max_bodies(self) -> int:
        """How many request bodies a process reads at a time."""
        return self.max_batches

    @property
    def request_threads(self) -> int:
        """How many threads requests use at most: served, waiting, received or sent."""
        pages = self.threads + self.max_waiting
        return pages + self.max_batches + self.max_streams + self.max_bodies
