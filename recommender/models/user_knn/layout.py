"""How user_knn lays users out as bits."""

# User u is bit u // words of word u % words: neighbours in memory are different users at the same bit, which
# is what lets a processor take dozens of them at a time.
WORD_USERS = 16
# Words worked on together: they and their overlaps fit the first-level cache. Rows are filled up to whole
# blocks.
BLOCK_WORDS = 512


def words_of_row(users: int) -> int:
    """How many words the row of a medium has: whole blocks with room for all users."""
    return -(-users // (WORD_USERS * BLOCK_WORDS)) * BLOCK_WORDS
