"""A folder of Parquet files, which readers treat as one table. Needs pyarrow."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.batch.journal import tail_digest
from recommender.batch.new_files import open_new
from recommender.batch.rows import Row, RowMaker
from recommender.batch.writers import NOT_OURS, Safe, is_older
from recommender.domains.attributes import AttributeKind
from recommender.entities import UserRecommendations
from recommender.errors import BatchError
from recommender.system.syncing import sync

# A Parquet file is written whole: so many users are held in memory, and repeated after a kill.
_USERS_A_PART = 5_000
_PART = re.compile(r"part-\d{5,}\.parquet|\.part-\d{5,}\.draft")
_TYPES = {
    "rank": pa.int32(),
    "recommendation_score": pa.float64(),
    "content_score": pa.float64(),
    "collaborative_score": pa.float64(),
}


def _schema(maker: RowMaker) -> pa.Schema:
    numbers = {
        attribute.name: pa.int32() if attribute.whole else pa.float64()
        for attribute in (*maker.ours, *maker.own)
        if attribute.kind is AttributeKind.NUMBER
    }
    types = _TYPES | numbers
    return pa.schema([(name, types.get(name, pa.string())) for name in maker.columns])


class ParquetWriter:
    """Writes a file every few thousand users; its position is the number of files. See Writer."""

    def __init__(self, path: Path, maker: RowMaker) -> None:
        self._path = path
        self._maker = maker
        self._schema = _schema(maker)
        self._parts = 0
        self._users = 0
        self._rows: list[Row] = []

    @property
    def due(self) -> bool:
        """See Writer."""
        return self._users >= _USERS_A_PART

    def exists(self) -> bool:
        """See Writer."""
        if not self._path.exists():
            return False
        if not self._path.is_dir():
            raise BatchError("it is a file, but Parquet needs a folder")
        found = sorted(self._path.iterdir())
        foreign = [path.name for path in found if not _PART.fullmatch(path.name) or path.is_dir()]
        if foreign:
            raise BatchError(f"it holds {foreign[0]}, which this command did not make")
        return bool(found)

    def create(self) -> None:
        """See Writer."""
        self._path.mkdir(exist_ok=True)
        self._keep(0)
        sync(self._path.parent)

    def resume(self, safe: Safe, saved_at: int) -> None:
        """See Writer."""
        if self._has_others(safe.position, saved_at):
            raise BatchError(NOT_OURS)
        if not safe.position:
            self.create()
            return
        if not all(self._part(number).exists() for number in range(safe.position)):
            raise BatchError("files of an earlier run are missing; --overwrite starts again")
        if self._fingerprint(safe.position) != safe.fingerprint:
            raise BatchError(NOT_OURS)
        self._keep(safe.position)

    def write(self, answers: Sequence[UserRecommendations]) -> None:
        """See Writer."""
        self._users += len(answers)
        for answer in answers:
            self._rows += self._maker.rows(answer)

    def commit(self) -> Safe:
        """See Writer."""
        # A table without rows still needs a file for its columns.
        if self._users or not self._parts:
            self._write_part()
            self._parts += 1
            self._users, self._rows = 0, []
        return Safe(self._parts, self._fingerprint(self._parts))

    def close(self) -> None:
        """See Writer."""

    def _part(self, number: int) -> Path:
        return self._path / f"part-{number:05}.parquet"

    def _has_others(self, parts: int, saved_at: int) -> bool:
        """Whether there are files after the first `parts` that the job did not write since the journal.

        A kill leaves at most one: the journal is saved after each.
        """
        next_part = self._part(parts)
        if next_part.exists() and is_older(next_part, saved_at):
            return True
        known = {self._part(number) for number in range(parts + 1)}
        finished = (path for path in self._path.glob("part-*.parquet") if _PART.fullmatch(path.name))
        return any(path not in known for path in finished)

    def _fingerprint(self, parts: int) -> str:
        last = self._part(parts - 1)
        return tail_digest(last, last.stat().st_size)

    def _keep(self, parts: int) -> None:
        """Remove drafts, and all parts after the first `parts`."""
        kept = {self._part(number) for number in range(parts)}
        for path in self._path.iterdir():
            if _PART.fullmatch(path.name) and path not in kept:
                path.unlink()
        self._parts = parts

    def _write_part(self) -> None:
        # Readers ignore names that begin with a dot.
        draft = self._path / f".part-{self._parts:05}.draft"
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        table = pa.table(
            [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)],
            schema=self._schema,
        )
        with open_new(draft) as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._part(self._parts))
        sync(self._path)
