"""What the examples of requests and answers share. They are of one story, and their sums are right."""

from recommender.answers import MediaAnswer

USER_ID = "770b13a5-a0a3-4f45-83b2-712fc40ecc19"
MEDIA_ID = "54c6a916-f55a-4738-9b84-72c39552b524"
LIKED_ID = "d0f184a2-283e-4f4a-b630-65d7f8b27f71"
INDEX = "9f2c51d07be84a36"

GUNSLINGER = MediaAnswer(
    id=MEDIA_ID,
    title="One Gunslinger for Tbilisi",
    description="In Tbilisi, a mail-order bride must hold on to the only well for miles.",
    release_year=2025,
    media_type="MOVIE",
    cover_url="https://images.example/one-gunslinger-for-tbilisi.jpg",
    genres=["ACTION", "DRAMA", "WESTERN"],
)
CANYON = MediaAnswer(
    id=LIKED_ID,
    title="Bitter Canyon in Port Ellery",
    description=None,
    release_year=2019,
    media_type="SERIES",
    cover_url=None,
    genres=["ACTION", "WAR", "WESTERN"],
)
