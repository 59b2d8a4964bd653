"""The layout of users as bits in user_knn."""

# User u is bit u // words of word u % words: neighbouring words hold different users at the same bit, so that
# a CPU can process dozens of them at a time.
WORD_USERS = 16
# Words processed together: they and their overlaps fit into the L1 cache. Rows are padded to whole blocks.
BLOCK_WORDS = 512


def words_of_row(users: int) -> int:
    """Return the number of words of an item's row: whole blocks with room for all users."""
    return -(-users // (WORD_USERS * BLOCK_WORDS)) * BLOCK_WORDS
