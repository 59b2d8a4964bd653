"""The colours of drawn covers, by genre."""

from collections.abc import Mapping, Sequence

from recommender.covers.shapes import Palette


def _palettes(*rows: str) -> tuple[Palette, ...]:
    return tuple(Palette(*(f"#{colour}" for colour in row.split())) for row in rows)


# Ground, ink, foot, title, and three for the picture.
PALETTES: Mapping[str, Sequence[Palette]] = {
    "ACTION": _palettes(
        "c81d38 fff4e0 17171c fff4e0 ef5b2d ffc83a 17171c",
        "17171c fff4e0 17171c ffc83a d7263d ffc83a 3a3a44",
        "f3b229 1d1a17 1d1a17 fff4e0 d7263d fff4e0 8c4a12",
    ),
    "ADVENTURE": _palettes(
        "f6dcae 16404d 16404d fdf3df e0703a 7fb09a 2f7474",
        "bfe0de 143a46 143a46 fdf3df f2a541 6aa3a6 2b6670",
        "2b4c6f f6e7c8 14283d f6e7c8 f2b84b 4f7ea3 1f3a58",
    ),
    "ANIMATION": _palettes(
        "ffcf56 26286b ffcf56 26286b ff6b6b 2fbfae fff6df",
        "bdebe2 2b2469 bdebe2 2b2469 ff7f66 ffc93c ffffff",
        "ff8f70 2a1f52 ff8f70 2a1f52 ffe27a 5b5bd6 fff3e6",
    ),
    "COMEDY": _palettes(
        "ffdf4a 26211a ffdf4a 26211a ff5d7d 26211a ffffff",
        "ff9b71 2a1630 ff9b71 2a1630 ffdd4a 2a1630 fff7ea",
        "7fd1c7 20303c 7fd1c7 20303c ff6b6b 20303c fff8e8",
    ),
    "CRIME": _palettes(
        "2c3242 efe6cf 12141b efe6cf d9c58b c2313a 12141b",
        "3a2a2e f3e2cf 140f12 f3e2cf d98c5f e9c46a 140f12",
        "123c3c efe6cf 081c1d efe6cf 8fb8a0 e0a13a 081c1d",
    ),
    "DOCUMENTARY": _palettes(
        "ece7dc 1f3a34 ece7dc 1f3a34 2f6f5e d95d39 9bb8ab",
        "dfe7ee 1d2f4a dfe7ee 1d2f4a 2c5282 e07a3f 9bb0c8",
        "2b3a3a f0e9dc 2b3a3a f0e9dc c9b37e e07a4f 5d7573",
    ),
    "DRAMA": _palettes(
        "22375a f4ead6 22375a f4ead6 e8613c f4ead6 59748f",
        "efe4d6 3a1d33 efe4d6 3a1d33 3a1d33 c8553d a98467",
        "b5442d fff0df b5442d fff0df fff0df 41161a e98f6f",
    ),
    "FAMILY": _palettes(
        "c4e6f3 17324d 235c4a fff9e3 ffc53d e76f51 2a7f8f",
        "ffe3c2 4a2545 4a2545 fff4e2 ff9f1c e05a6d 6d4c8d",
        "ffd978 3b3358 3b6e5b fffbe9 ff7f50 5b8fb9 3b6e5b",
    ),
    "FANTASY": _palettes(
        "2f1d57 f6e7ff 150c2e f6e7ff f4c95d 6f47ab 472a80",
        "0f3b46 e9f7ee 07222b e9f7ee f7d488 2f7f7a 1a5a60",
        "4b1f3f fde9f2 2a0f24 fde9f2 ff9e80 8e4a7a 6a2f5b",
    ),
    "HISTORY": _palettes(
        "f1e5cc 57281b f1e5cc 57281b c4683f 57281b dcb681",
        "dbe2dc 27403b dbe2dc 27403b 7d9a8b 27403b b9c7b8",
        "39424e f1e5cc 39424e f1e5cc c59a5f 1f252d 6f7b88",
    ),
    "HORROR": _palettes(
        "131214 efe8db 131214 efe8db c5161f 29272b efe8db",
        "2a0a10 f6dfd2 2a0a10 f6dfd2 e0432e 12050a f2d5a7",
        "1c2417 e9efd9 1c2417 e9efd9 9fbf3b 33402b e9efd9",
    ),
    "MUSIC": _palettes(
        "1e2860 fff1d0 1e2860 fff1d0 f25f5c ffd95a 70c1b3",
        "f6c945 2a1a3e f6c945 2a1a3e 2a1a3e ef476f 1b8a8f",
        "e8633a 23102a e8633a 23102a 23102a ffd166 9b2a2a",
    ),
    "MYSTERY": _palettes(
        "0f4c52 f6eedb 0f4c52 f6eedb f7bb46 0a3439 1a6b72",
        "392a4f f5e9dc 392a4f f5e9dc f2a65a 251a36 59437a",
        "7a2e2e fbe8d3 7a2e2e fbe8d3 f5c04a 4a1718 963f3c",
    ),
    "ROMANCE": _palettes(
        "fad9d3 7a1f3d fad9d3 7a1f3d e0475b f4917f fff3ec",
        "7c1f3f ffe6dc 7c1f3f ffe6dc f26a6a f7b267 b8466a",
        "f7b8a0 5c1a3c f7b8a0 5c1a3c 9b2c5a ef6f6c fff1e6",
    ),
    "SCIENCE_FICTION": _palettes(
        "111a3a e6f0ff 111a3a e6f0ff ff7b54 5ad1e8 34468a",
        "23104a f4e9ff 23104a f4e9ff 3ec6c0 ffb347 5a3d96",
        "0d2b33 dff5f2 0d2b33 dff5f2 f2c14e 4fb3bf 1f5560",
    ),
    "THRILLER": _palettes(
        "e2452a 1a0f0d e2452a 1a0f0d 1a0f0d fff3e2 7a1d12",
        "f2c14e 1b1b22 f2c14e 1b1b22 1b1b22 d7263d 8a6a1d",
        "1b2a41 f1ead9 1b2a41 f1ead9 e4b363 e4572e 46608a",
    ),
    "WAR": _palettes(
        "b9b58d 1f2118 2b2e20 f3eed6 c8542b 5f6246 e0dab1",
        "c9b8a3 2a1d18 2f211b f6ead8 a63d2f 6f5647 e5d5bf",
        "7d8a8c 12181b 1b2226 eef1ec d8a03d 4a5658 b9c3c3",
    ),
    "WESTERN": _palettes(
        "f7bb77 5a1f12 5a1f12 ffe9cf fff1d3 dc6b33 9c3a1e",
        "e98a5b 3f1630 3f1630 ffe6d1 ffd98a b5485a 702a4c",
        "6fb0b0 3a1a12 3a1a12 fbe6cd fbe3b0 c2613a 7c3320",
    ),
}
