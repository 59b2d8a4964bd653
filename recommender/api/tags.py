"""The headings of the API description."""

from recommender.api.endpoints import Tag

RECOMMENDATIONS_TAG = Tag(
    "Recommendations", "For one user, for many users, and for people without an account."
)
MEDIA_TAG = Tag("Media", "Popular and similar media, the same for every user.")
SERVICE_TAG = Tag("Service", "For monitors and programs.")
