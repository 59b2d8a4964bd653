"""The headings of the API description."""

from recommender.api.endpoints import Tag

RECOMMENDATIONS = Tag("Recommendations", "For one user, for many users, and for people without an account.")
MEDIA = Tag("Media", "Popular and similar media, the same for every user.")
SERVICE = Tag("Service", "For monitors and programs.")
