"""Ids and items that the examples of requests and answers share."""

from collections.abc import Mapping
from typing import Any

from recommender.domains.attributes import AttributeKind
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA

USER_ID = "770b13a5-a0a3-4f45-83b2-712fc40ecc19"
MEDIA_ID = "54c6a916-f55a-4738-9b84-72c39552b524"
LIKED_ID = "d0f184a2-283e-4f4a-b630-65d7f8b27f71"
INDEX = "9f2c51d07be84a36"

GUNSLINGER: Mapping[str, Any] = {
    "id": MEDIA_ID,
    "title": "One Gunslinger for Tbilisi",
    "description": "In Tbilisi, a mail-order bride must hold on to the only well for miles.",
    "release_year": 2025,
    "media_type": "MOVIE",
    "cover_url": "https://images.example/one-gunslinger-for-tbilisi.jpg",
    "genres": ["ACTION", "DRAMA", "WESTERN"],
}
CANYON: Mapping[str, Any] = {
    "id": LIKED_ID,
    "title": "Bitter Canyon in Port Ellery",
    "description": None,
    "release_year": 2019,
    "media_type": "SERIES",
    "cover_url": None,
    "genres": ["ACTION", "WAR", "WESTERN"],
}


def fitted(examples: Mapping[str, Any], domain: Domain) -> dict[str, Any]:
    """Return examples with the attributes of a domain instead of those of the media domain."""
    return {name: _with_attributes(value, domain) for name, value in examples.items()}


def _with_attributes(value: Any, domain: Domain) -> Any:
    if isinstance(value, list):
        return [_with_attributes(part, domain) for part in value]
    if not isinstance(value, dict):
        return value
    if not GUNSLINGER.keys() <= value.keys():
        return {key: _with_attributes(part, domain) for key, part in value.items()}
    empty: dict[str, Any] = {
        attribute.name: [] if attribute.kind is AttributeKind.SET else None
        for attribute in domain.shown
        if attribute.name not in GUNSLINGER
    }
    ours = {attribute.name for attribute in MEDIA.attributes} - {each.name for each in domain.shown}
    kept = {key: part for key, part in value.items() if key not in ours}
    return {**kept, **empty}
