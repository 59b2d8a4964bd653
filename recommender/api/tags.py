"""The headings that endpoints are described under."""

from recommender.api.endpoints import Tag

RECOMMENDATIONS = Tag("Recommendations", "For one user, for many, and for people without an account.")
MEDIA = Tag("Media", "Media that do not depend on a user: popular ones, and those similar to one.")
SERVICE = Tag("Service", "For monitors and programs.")
