"""Ids in arrays are found as in a dictionary, whatever they contain."""

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.texts import id_table
from recommender.texts.id_table import IdTable, IdTexts

TEXTS = st.lists(st.text(alphabet="aäb\u20ac𝄞0", max_size=6), max_size=40)


@given(known=TEXTS, wanted=TEXTS)
def test_positions_are_those_of_a_dictionary(known: list[str], wanted: list[str]) -> None:
    positions = {text: position for position, text in enumerate(known)}
    expected = [positions.get(text, -1) for text in wanted]
    table = IdTable(IdTexts.of(known))
    assert table.locate(wanted).tolist() == expected
    assert table.locate(IdTexts.of(wanted)).tolist() == expected


@given(texts=TEXTS, data=st.data())
def test_texts_are_those_of_a_list(texts: list[str], data: st.DataObject) -> None:
    found = IdTexts.of(texts)
    assert found == texts
    assert (len(found), found[1:-1], list(found)) == (len(texts), texts[1:-1], texts)
    positions = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=8)) if texts else []
    assert found.take(np.array(positions, dtype=np.intp)) == [texts[position] for position in positions]
    assert IdTexts.joined([found.first(2), found]) == texts[:2] + texts


@given(texts=TEXTS)
def test_the_order_is_that_of_python(texts: list[str]) -> None:
    expected = sorted(range(len(texts)), key=texts.__getitem__)
    assert IdTexts.of(texts).order().tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        # The order that is used for ids of very different lengths.
        patch.setattr(id_table, "_MOST_PADDED_BYTES", -1)
        assert IdTexts.of(texts).order().tolist() == expected


@given(texts=st.lists(st.text(alphabet="aä0", min_size=1, max_size=6), max_size=40))
def test_byte_strings_of_one_width_are_texts(texts: list[str]) -> None:
    encoded = np.array([text.encode() for text in texts], dtype=np.bytes_)
    assert IdTexts.of_byte_strings(encoded) == texts


def test_a_text_is_found_at_the_ends_and_no_further() -> None:
    texts = IdTexts.of(["a", "b"])
    assert (texts[0], texts[-1]) == ("a", "b")
    for position in (2, -3):
        with pytest.raises(IndexError):
            texts[position]


def test_invalid_unicode_is_no_id() -> None:
    assert IdTable(IdTexts.of(["a"])).locate(["\ud800", "a"]).tolist() == [-1, 0]


def test_hashes_depend_on_the_secret_and_the_text() -> None:
    texts = IdTexts.of([f"id {number}" for number in range(10_000)])
    hashes = texts.hashes(1)
    assert len(set(hashes.tolist())) == len(texts)
    assert not set(hashes.tolist()) & set(texts.hashes(2).tolist())
    assert hashes.tolist() == texts.take(np.arange(len(texts))).hashes(1).tolist()


def test_a_table_may_lie_in_a_mapped_file(tmp_path: Path) -> None:
    table = IdTable(IdTexts.of(["a", "bb", "ccc"]))
    (tmp_path / "slots").write_bytes(table.slots.tobytes())
    with (tmp_path / "slots").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    again = IdTable(table.texts, np.frombuffer(mapped, dtype=np.int32))
    assert again.locate(["ccc", "a", "x"]).tolist() == [2, 0, -1]
