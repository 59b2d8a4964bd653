"""The last good details of media, for when catalog_db cannot give them."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from recommender.domain import Media


class MediaCache:
    """Details by id; beyond `size` the ones shown longest ago are forgotten. Safe between threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._media: OrderedDict[str, Media] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._media)

    def remember(self, media: Mapping[str, Media]) -> None:
        """Keep details just read."""
        with self._lock:
            for media_id, details in media.items():
                self._media[media_id] = details
                self._media.move_to_end(media_id)
            while len(self._media) > self._size:
                self._media.popitem(last=False)

    def forget(self, media_ids: Iterable[str]) -> None:
        """Drop media that are gone from the catalogue."""
        with self._lock:
            for media_id in media_ids:
                self._media.pop(media_id, None)

    def snapshot(self) -> dict[str, Media]:
        """All details that are known."""
        with self._lock:
            return dict(self._media)
