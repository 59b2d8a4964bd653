"""Words for demo titles and descriptions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenreWords:
    """Words for titles and plots of one genre; every entry fits every template."""

    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    heroes: tuple[str, ...]
    goals: tuple[str, ...]


def _words(adjectives: str, nouns: str, heroes: str, goals: str) -> GenreWords:
    return GenreWords(
        *(tuple(part.strip() for part in text.split(",")) for text in (adjectives, nouns, heroes, goals))
    )


GENRE_WORDS: dict[str, GenreWords] = {
    "ACTION": _words(
        "Burning, Unbroken, Rapid, Final, Relentless, Iron",
        "Strike, Pursuit, Convoy, Protocol, Vengeance, Freeway, Payload, Standoff",
        "a retired bodyguard, a stunt driver, a disgraced pilot, a bomb technician",
        "cross a city that wants them dead, bring down the cartel that framed them, stop a runaway train",
    ),
    "ADVENTURE": _words(
        "Lost, Uncharted, Distant, Golden, Farthest, Sunken",
        "Expedition, Island, Compass, River, Summit, Voyage, Atlas, Caravan",
        "a mapmaker, a reluctant guide, two estranged brothers, a ship's cook",
        "reach a valley no map shows, outrun a storm season, return a relic to where it belongs",
    ),
    "ANIMATION": _words(
        "Tiny, Paper, Clockwork, Curious, Flying, Painted",
        "Fox, Lighthouse, Robot, Garden, Moonboat, Tinkerer, Acorn, Puppet",
        "a wind-up bird, a lonely snow globe keeper, a fox who cannot lie, a runaway crayon",
        "find the way back to the attic, teach a city to dream again, win the great kite race",
    ),
    "COMEDY": _words(
        "Awkward, Perfect, Accidental, Reluctant, Unpaid, Terrible",
        "Roommates, Wedding, Intern, Holiday, Neighbours, Reunion, Landlord, Potluck",
        "a wedding planner, an overqualified intern, three flatmates, a failed magician",
        "survive one disastrous weekend, keep a very small lie alive, save the worst diner in town",
    ),
    "CRIME": _words(
        "Crooked, Silent, Cold, Dirty, Unmarked, Borrowed",
        "Ledger, Heist, Alibi, Witness, Precinct, Syndicate, Getaway, Verdict",
        "a safecracker on parole, a tired detective, an honest bookkeeper, a getaway driver",
        "pull one last job, learn who sold out the crew, keep a witness alive until Monday",
    ),
    "DOCUMENTARY": _words(
        "Untold, Hidden, Living, Vanishing, Inside, Open",
        "Oceans, Harvest, Archive, Glaciers, Machines, Migration, Markets, Voices",
        "a team of biologists, a village choir, a night-shift crew, an archivist",
        "show what is about to disappear, follow a single season from start to end, put a record straight",
    ),
    "DRAMA": _words(
        "Quiet, Broken, Ordinary, Fading, Tender, Unfinished",
        "Letters, House, Winter, Daughter, Silence, Inheritance, Harbour, Promise",
        "a schoolteacher, a widowed carpenter, two sisters, a young doctor",
        "forgive what cannot be undone, keep the family house, tell the truth before it is too late",
    ),
    "FAMILY": _words(
        "Magic, Little, Big, Snowy, Brave, Marvellous",
        "Puppy, Treehouse, Grandpa, Summer, Circus, Birthday, Picnic, Pony",
        "an only child, a stubborn grandmother, a class of nine-year-olds, a shelter dog",
        "win back the old playground, get everybody home for the holidays, find out who lives upstairs",
    ),
    "FANTASY": _words(
        "Enchanted, Fallen, Silver, Cursed, Ancient, Last",
        "Crown, Dragon, Grimoire, Kingdom, Oath, Witch, Throne, Thorn",
        "a hedge witch, an exiled prince, an apprentice scribe, a blacksmith's daughter",
        "break a curse older than the kingdom, wake a sleeping dragon, carry a crown nobody may wear",
    ),
    "HISTORY": _words(
        "Forgotten, Royal, Gilded, Imperial, Divided, Old",
        "Empire, Queen, Treaty, Chronicle, Cathedral, Dynasty, Armada, Court",
        "a court physician, a young queen, a cathedral builder, a translator",
        "hold a divided court together, carry a treaty across a frozen border, outlive three kings",
    ),
    "HORROR": _words(
        "Haunted, Pale, Hollow, Rotten, Whispering, Sleepless",
        "Basement, Ritual, Doll, Asylum, Orchard, Mirror, Cabin, Chapel",
        "a night nurse, a young couple, a sound engineer, a priest without a parish",
        "find out what knocks at three each morning, get out before the thaw, bury it a second time",
    ),
    "MUSIC": _words(
        "Electric, Blue, Loud, Broken-String, Backstage, Velvet",
        "Encore, Melody, Rehearsal, Quartet, Vinyl, Chorus, Jukebox, Overture",
        "a session drummer, a choir director, a one-hit wonder, a deaf composer",
        "finish a song begun thirty years ago, get the band back together, play the hall that refused them",
    ),
    "MYSTERY": _words(
        "Missing, Locked, Veiled, Seventh, Vanished, Foggy",
        "Manuscript, Guest, Lighthouse Keeper, Cipher, Portrait, Stranger, Key, Inquest",
        "a village librarian, a retired inspector, a crossword setter, a hotel clerk",
        "work out which guest never came, read a letter that should not exist, open the room without a door",
    ),
    "ROMANCE": _words(
        "Secret, Endless, Second, Summer, Stolen, Midnight",
        "Kiss, Hearts, Waltz, Proposal, Bouquet, Serenade, Affair, Rendezvous",
        "a florist, a travel writer, two rival bakers, a shy astronomer",
        "find each other a second time, admit what everybody else can see, make one summer last",
    ),
    "SCIENCE_FICTION": _words(
        "Orbital, Quantum, Synthetic, Infinite, Dark, Parallel",
        "Colony, Signal, Horizon, Android, Paradox, Station, Eclipse, Nebula",
        "a salvage pilot, a colony botanist, a decommissioned android, a signal analyst",
        "answer a message sent before humans could, keep the last ship breathing, undo a day that never was",
    ),
    "THRILLER": _words(
        "Deadly, Double, Hidden, Hostile, Blind, Zero",
        "Informant, Hostage, Deadline, Conspiracy, Motive, Countdown, Leak, Target",
        "a court interpreter, an insomniac analyst, a flight controller, a kidnapped lawyer",
        "trust the wrong person one hour longer, find the leak by midnight, prove a death was no accident",
    ),
    "WAR": _words(
        "Northern, Fallen, Red, Trench, Scorched, Last",
        "Regiment, Front, Bridge, Battalion, Armistice, Siege, Outpost, Convoy",
        "a field medic, a radio operator, a company of engineers, a war photographer",
        "hold a bridge until dawn, bring the wounded through the lines, deliver an order that ends it all",
    ),
    "WESTERN": _words(
        "Dusty, Lonesome, Wild, Bitter, Crooked, High",
        "Canyon, Gunslinger, Saloon, Prairie, Outlaw, Stagecoach, Homestead, Marshal",
        "a mail-order bride, an ageing marshal, a horse thief, a telegraph girl",
        "bring an outlaw in alive, hold on to the only well for miles, ride out before the law rides in",
    ),
}

PLACES = (
    "Harrow Bay",
    "Kestrel Point",
    "Marrakesh",
    "Lisbon",
    "Port Ellery",
    "the North Sea",
    "Vienna",
    "Osaka",
    "Dry Creek",
    "Saint Orlan",
    "the Old Quarter",
    "Nairobi",
    "Cape Verity",
    "Trieste",
    "Blackwater",
    "the Salt Road",
    "Montevideo",
    "Ashford",
    "Reykjavik",
    "the Ninth Ward",
    "Silver Lake",
    "Tbilisi",
    "Juniper Hill",
    "the Outer Ring",
)

TWISTS = (
    "Nobody is prepared for what comes with the first snow",
    "What begins as a favour soon becomes a debt",
    "But somebody has been keeping score",
    "The closer they get, the less they want to know",
    "It would be easier if they could stand each other",
    "Only one of them knows how it ended the last time",
    "And the clock was never on their side",
    "They have until Sunday",
)

TITLE_TEMPLATES = (
    "The {adjective} {noun}",
    "{adjective} {noun}",
    "The {noun} of {place}",
    "{adjective} {noun} in {place}",
    "{noun} and {other_noun}",
    "One {noun} for {place}",
)

# Tastes: genres that go together, the favorite first.
TASTES: tuple[tuple[str, ...], ...] = (
    ("CRIME", "THRILLER", "MYSTERY", "DRAMA"),
    ("SCIENCE_FICTION", "ADVENTURE", "ACTION", "THRILLER"),
    ("ROMANCE", "COMEDY", "DRAMA", "MUSIC"),
    ("FAMILY", "ANIMATION", "COMEDY", "ADVENTURE"),
    ("DOCUMENTARY", "HISTORY", "MUSIC", "WAR"),
    ("HORROR", "THRILLER", "MYSTERY", "SCIENCE_FICTION"),
    ("FANTASY", "ADVENTURE", "ANIMATION", "ROMANCE"),
    ("WAR", "HISTORY", "DRAMA", "ACTION"),
    ("WESTERN", "ACTION", "CRIME", "DRAMA"),
    ("COMEDY", "ACTION", "CRIME", "ROMANCE"),
    ("ANIMATION", "SCIENCE_FICTION", "FANTASY", "ACTION"),
    ("MUSIC", "DOCUMENTARY", "DRAMA", "ROMANCE"),
)
