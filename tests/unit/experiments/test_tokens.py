"""A token counts only with a valid signature."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.experiments.tokens import Placement, TokenSigner

KEY, OTHER = "k" * 32, "o" * 32
PLACEMENT = Placement("ranker", "ease", "user 1", "item 1", 3, 1_795_766_400)
SIGNER = TokenSigner([KEY])


def test_a_token_says_what_was_signed_and_needs_no_escaping() -> None:
    token = SIGNER.sign(PLACEMENT)
    assert SIGNER.read(token) == PLACEMENT
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_tokens_of_long_ids_are_read() -> None:
    placement = PLACEMENT._replace(user_id="я" * 200, item_id="я" * 200)
    assert SIGNER.read(SIGNER.sign(placement)) == placement


def test_a_key_that_was_replaced_is_still_read_and_a_foreign_one_is_not() -> None:
    old = SIGNER.sign(PLACEMENT)
    rotated = TokenSigner([OTHER, KEY])
    assert rotated.read(old) == PLACEMENT
    assert SIGNER.read(rotated.sign(PLACEMENT)) is None
    assert TokenSigner([OTHER]).read(old) is None


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    token = SIGNER.sign(PLACEMENT)
    position = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    altered = token[:position] + letter + token[position + 1 :]
    if altered != token:
        assert SIGNER.read(altered) is None


def test_another_team_under_the_same_signature_is_refused() -> None:
    form, _, signature = SIGNER.sign(PLACEMENT).split(".")
    payload = json.dumps(PLACEMENT._replace(team="present"), separators=(",", ":")).encode()
    forged = f"{form}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.{signature}"
    assert SIGNER.read(forged) is None


@pytest.mark.parametrize("token", ["", ".", "..", "m1..", "m1.a.b", "ä.ö.ü", "x" * 5_000, "m1." * 3])
def test_text_that_is_no_token_is_refused(token: str) -> None:
    assert SIGNER.read(token) is None
