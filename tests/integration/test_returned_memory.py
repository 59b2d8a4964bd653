"""A process returns memory that was freed between objects that live on."""

import subprocess
import sys

from config.setting_types import ROOT

# In a process of its own: what malloc keeps depends on all that happened before.
_PROGRAM = """
from recommender.system.memory import FreedMemoryReturner, private_bytes

returner = FreedMemoryReturner()
returner.look()
# Below malloc's mmap threshold, and each with a small neighbour that lives on.
blocks = [(bytearray(100_000), bytearray(1_000)) for _ in range(1_500)]
full = private_bytes()
survivors = [small for _, small in blocks]
del blocks
kept = private_bytes()
returner.look()
print(full, kept, private_bytes(), len(survivors))
"""
_BLOCKS_BYTES = 150_000_000


def test_freed_memory_between_live_objects_is_returned() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    full, kept, left, survivors = map(int, done.stdout.split())
    assert kept > full - _BLOCKS_BYTES / 2
    assert left < kept - _BLOCKS_BYTES / 2
    assert survivors == 1_500
