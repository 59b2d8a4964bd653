"""The headings that endpoints are described under."""

from recommender.api.endpoints import Tag

RECOMMENDATIONS = Tag("Recommendations", "For users, many users, and people who are no users yet.")
MEDIA = Tag("Media", "The same for everybody: popular media, and media like one.")
SERVICE = Tag("Service", "For monitors and programs.")
