"""Looking through a text in pieces finds what one look finds, in the same order."""

from __future__ import annotations

from typing import Final

import ahocorasick_rs
from hypothesis import given
from hypothesis import strategies as st

from stage0.policy import shipped_packs
from stage0.reading.prose import lexicon
from stage0.reading.text import scanning
from stage0.reading.text.scanning import Scanner

WORDS: Final = ("a", "ab", "abc", "bca", "cab", "刪除", "除資料", "資")
TEXTS: Final = st.text(alphabet="abc刪除資料 ", max_size=200)


@given(text=TEXTS, repeated=st.integers(1, 40))
def test_a_long_text_is_found_through_in_pieces_as_in_one(text: str, repeated: int) -> None:
    whole = text * repeated
    one = ahocorasick_rs.AhoCorasick(list(WORDS))
    before = scanning.PIECE
    scanning.PIECE = 17  # type: ignore[misc]
    try:
        scanner = Scanner(WORDS)
        assert scanner.find(whole) == one.find_matches_as_indexes(whole, overlapping=True)
        assert scanner.finds(whole) is bool(one.find_matches_as_indexes(whole))
    finally:
        scanning.PIECE = before  # type: ignore[misc]


def test_a_word_across_two_pieces_is_found_once() -> None:
    text = "x" * (scanning.PIECE - 2) + "abc" + "x" * scanning.PIECE
    assert Scanner(["abc"]).find(text) == [(0, scanning.PIECE - 2, scanning.PIECE + 1)]
    assert Scanner(["abc"]).finds(text)


@given(words=st.lists(st.sampled_from(("delete", "del", "users", "user", "all", "刪除", " ")), max_size=400))
def test_terms_are_found_in_the_same_order_however_many_are_sorted_at_once(words: list[str]) -> None:
    known = shipped_packs()["stage0-default"].knowledge.lexicon
    text = "".join(words)
    before = lexicon._SORTED_AT_ONCE
    whole = known.hits(text)
    lexicon._SORTED_AT_ONCE = 3  # type: ignore[misc]
    try:
        assert known.hits(text) == whole
    finally:
        lexicon._SORTED_AT_ONCE = before  # type: ignore[misc]
