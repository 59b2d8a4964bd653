"""The default domain: media, with genres, a type and a year."""

from recommender.domains.attributes import Attribute, AttributeKind, FilterDescriptions
from recommender.domains.base import Domain

MEDIA = Domain(
    singular="medium",
    plural="media",
    attributes=(
        Attribute("title", AttributeKind.TEXT),
        Attribute("description", AttributeKind.TEXT, in_files=False),
        Attribute(
            "release_year",
            AttributeKind.NUMBER,
            parameter="year",
            label="year",
            whole=True,
            bounds=(1, 9999),
            filter_descriptions=FilterDescriptions(
                "Media of this year or later.", "Media of this year or earlier."
            ),
        ),
        Attribute(
            "media_type",
            AttributeKind.CATEGORY,
            label="type",
            filter_descriptions=FilterDescriptions(
                "Media of any of these types, without regard to case or white space.",
                "Media of none of these types, without regard to case or white space.",
            ),
        ),
        Attribute("cover_url", AttributeKind.TEXT, in_files=False),
        Attribute(
            "genres",
            AttributeKind.SET,
            column="genre_names",
            parameter="genre",
            description="Distinct without regard to case and white space.",
            filter_descriptions=FilterDescriptions(
                "Media with any of these genres, without regard to case or white space.",
                "Media with none of these genres, without regard to case or white space.",
            ),
        ),
    ),
    indexed=("genres", "media_type", "release_year"),
    title="title",
    description="description",
    cover="cover_url",
    year="release_year",
)
