"""The users of a job, as a list on disk without duplicates, in a fixed order."""

import hashlib
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recommender.batch.new_files import open_new
from recommender.errors import BatchError
from recommender.texts.ids import IdForm

_DIGEST_BYTES = 16
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class InvalidId:
    """A line without a valid user id, counted from 1. `fault`: what is wrong, such as "is not a UUID"."""

    line: int
    shown: str
    fault: str


@dataclass(frozen=True, slots=True)
class UserListSummary:
    """Counts and digest of a list; `invalid` and `repeated` lines are not on it."""

    digest: str
    users: int
    invalid: int
    repeated: int


class InvalidIds:
    """Counts invalid ids, and keeps the first few to show."""

    def __init__(self, kept: int) -> None:
        self.first: list[InvalidId] = []
        self.count = 0
        self._kept = kept

    def add(self, line: int, text: str, fault: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.first) < self._kept:
            shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
            self.first.append(InvalidId(line, repr(shown), fault))


def ids_in(file: BinaryIO, form: IdForm, invalid: InvalidIds) -> Iterator[str]:
    """Yield the canonical ids of a file with one id a line; blank lines are skipped."""
    for number, line in enumerate(file, start=1):
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        try:
            text = line.decode(encoding).strip()
        except UnicodeDecodeError:
            # With a sign in place of the wrong bytes, it could be the id of another user.
            invalid.add(number, line.decode(encoding, "replace").strip(), "is not UTF-8")
            continue
        if not text:
            continue
        user_id = form.canonical(text)
        if user_id is None:
            invalid.add(number, text, _of_another_form(form))
        else:
            yield user_id


def merged(streams: Iterable[Iterable[str]], form: IdForm, invalid: InvalidIds) -> Iterator[str]:
    """Yield the ids of sorted streams, each once, in order; holds one id per stream.

    Ids are checked in the form of the databases: no request could name an id that does not match. An id with
    a line break would be two ids in the list, which has one a line.

    Raises:
        BatchError: a stream is not sorted.
    """
    users = itertools.groupby(heapq.merge(*map(_checked, streams)))
    for number, (user_id, _) in enumerate(users, start=1):
        if form.canonical(user_id) != user_id:
            invalid.add(number, user_id, _of_another_form(form))
        elif "\n" in user_id:
            invalid.add(number, user_id, "has a line break")
        else:
            yield user_id


def write_list(user_ids: Iterable[str], path: Path, invalid: InvalidIds) -> UserListSummary:
    """Write a list, one id a line, without repetitions; takes 16 bytes of memory per user.

    Raises:
        OSError: it cannot be written.
    """
    digests = bytearray()
    with open_new(path) as file:
        for user_id in user_ids:
            line = user_id.encode() + b"\n"
            digests += _digest(line)
            file.write(line)
    # Sorted in place, which puts repeated digests side by side.
    keys = np.frombuffer(digests, dtype=f"S{_DIGEST_BYTES}")
    keys.sort()
    again = keys[1:][keys[1:] == keys[:-1]]
    if len(again):
        _drop_repeated(path, set(again.tolist()))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return UserListSummary(digest, len(keys) - len(again), invalid.count, len(again))


def read_list(path: Path, offset: int, at_once: int) -> Iterator[tuple[list[str], int]]:
    """Yield chunks of ids from a byte offset on, each with the offset of its end.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while lines := list(itertools.islice(file, at_once)):
            offset += sum(map(len, lines))
            yield [line.decode().rstrip("\n") for line in lines], offset


def _of_another_form(form: IdForm) -> str:
    return f"is not {form.words}"


def _checked(user_ids: Iterable[str]) -> Iterator[str]:
    last = ""
    for user_id in user_ids:
        if user_id < last:
            raise BatchError(
                f"stream_users returned {user_id!r} after {last!r}: it must sort by the bytes of the ids "
                "(docs/how-to/use-your-own-tables.md)"
            )
        last = user_id
        yield user_id


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=_DIGEST_BYTES).digest()


def _drop_repeated(path: Path, repeated: set[bytes]) -> None:
    """Rewrite a list, keeping only the first line of each of these digests."""
    rest = path.with_name(f"{path.name}.rest")
    written: set[bytes] = set()
    with path.open("rb") as file, open_new(rest) as kept:
        for line in file:
            # Without zeros at the end, which numpy cannot distinguish from its padding.
            digest = _digest(line).rstrip(b"\0")
            if digest not in written:
                kept.write(line)
            if digest in repeated:
                written.add(digest)
    rest.replace(path)
