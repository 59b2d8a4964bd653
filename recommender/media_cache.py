"""The last good details of media, for when catalog_db cannot give them."""

import threading
from collections.abc import Iterable, Mapping

from cachetools import LRUCache

from recommender.domain import Media


class MediaCache:
    """Details by id, the least recently used forgotten beyond `size`; safe between threads."""

    def __init__(self, size: int) -> None:
        self._media: LRUCache[str, Media] = LRUCache(maxsize=size)
        self._lock = threading.Lock()

    def remember(self, media: Mapping[str, Media]) -> None:
        """Keep details just read."""
        with self._lock:
            self._media.update(media)

    def forget(self, media_ids: Iterable[str]) -> None:
        """Drop media that are gone from the catalogue."""
        with self._lock:
            for media_id in media_ids:
                self._media.pop(media_id, None)

    def recall(self, media_ids: Iterable[str]) -> dict[str, Media]:
        """Those of `media_ids` whose details are known."""
        with self._lock:
            return {media_id: self._media[media_id] for media_id in media_ids if media_id in self._media}

    def known_ids(self) -> list[str]:
        """Every medium whose details are known."""
        with self._lock:
            return list(self._media)
