"""Folding finds the same word in every disguise, and points back into the text as sent."""

from __future__ import annotations

import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.folding import Folded, hidden_spans
from stage0.policy import shipped_packs

LEXICON: Final = shipped_packs()["stage0-default"].knowledge.lexicon


def folded(text: str) -> str:
    """The folded text alone."""
    return LEXICON.fold(text).text


DISGUISES: Final = {
    "capitals": "DELETE",
    "a zero-width space": "de\u200blete",
    "a zero-width joiner": "de\u200dlete",
    "a byte order mark": "\ufeffdelete",
    "a soft hyphen": "de\u00adlete",
    "a word joiner": "de\u2060lete",
    "a right-to-left override": "\u202edelete\u202c",
    "a bidirectional isolate": "\u2066delete\u2069",
    "tag characters": "de\U000e0061lete",
    "a combining joiner": "de\u034flete",
    "a variation selector": "de\ufe01lete",
    "a variation selector of the supplement": "de\U000e0101lete",
    "a Mongolian selector": "de\u180blete",
    "full width letters": "ｄｅｌｅｔｅ",
    "mathematical letters": "𝐝𝐞𝐥𝐞𝐭𝐞",
    "letters in circles": "ⓓⓔⓛⓔⓣⓔ",
    "Cyrillic letters": "dеlеtе",
    "Greek letters": "dεlετε",
    "decomposed accents": "de\u0301lete\u0302",
    "composed accents": "délêtë",
    "struck-out letters": "d\u0336e\u0336l\u0336e\u0336t\u0336e\u0336",
    "accents and joiners mixed": "d\u200de\u0301\u200dlete",
}


@pytest.mark.parametrize("text", DISGUISES.values(), ids=DISGUISES)
def test_a_word_in_disguise_folds_to_the_word(text: str) -> None:
    assert folded(text) == "delete"


PAIRS: Final = {
    "traditional and simplified": ("刪除資料庫", "删除资料库"),
    "half width and full width kana": ("ﾃﾞｰﾀ", "データ"),
    "a ligature": ("ﬁle", "file"),
    "decomposed kana": ("か\u3099", "が"),
    "a full width number": ("１２３", "123"),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_two_spellings_of_one_text_fold_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)


DIFFERENT: Final = {
    "kana with and without voicing": ("か", "が"),
    "two Chinese words": ("刪除", "新增"),
    "an accent on kana is no accent": ("ハ", "パ"),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_marks_that_tell_words_apart_are_kept(one: str, other: str) -> None:
    assert folded(one) != folded(other)


PIECES: Final = st.sampled_from(
    [
        "delete ",
        "DROP",
        "е",
        "\u200b",
        "\u202e",
        "e\u0301",
        "é",
        "ｄｅｌ",
        "ﬁ",
        "㍿",
        "刪除",
        "删除",
        "資料庫",
        "が",
        "か\u3099",
        "ﾃﾞ",
        "👩\u200d🚀",
        "\u00ad",
        "ß",
        "İ",
        "𝐃",
        " ",
        "x",
        "\U000e0041",
        "\u0301",
    ]
)
TEXTS: Final = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20)


@given(TEXTS)
def test_every_folded_character_points_to_where_it_came_from(text: str) -> None:
    found = LEXICON.fold(text)
    starts = [found.original_span(i, i + 1)[0] for i in range(len(found.text))]
    assert all(0 <= start < len(text) for start in starts)
    assert starts == sorted(starts)
    for i, start in enumerate(starts):
        assert found.text[i] in cluster_folded(found, start)


def cluster_folded(found: Folded, start: int) -> str:
    """What the original character at an offset, with the marks and invisible ones after it, folds to."""
    end = start + 1
    while end < len(found.original) and is_attached(found.original[end]):
        end += 1
    text = found.original[start:end]
    return folded(text) + folded(found.original[start])


def is_attached(char: str) -> bool:
    """Whether a character is a mark of the one before it, or nothing at all."""
    return not folded(char) or unicodedata.category(unicodedata.normalize("NFKC", char)[0]) in ("Mn", "Mc", "Me")


@given(TEXTS)
def test_folding_twice_is_folding_once(text: str) -> None:
    once = folded(text)
    assert folded(once) == once


@given(st.text(alphabet=st.characters(max_codepoint=0x24F)))
def test_composed_and_decomposed_letters_fold_alike(text: str) -> None:
    assert folded(unicodedata.normalize("NFD", text)) == folded(unicodedata.normalize("NFC", text))


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_only_loses_its_case(text: str) -> None:
    assert folded(text) == text.lower()


SPANS: Final = {
    "after zero-width characters": ("\u200b\u200bdelete it", "delete", "delete"),
    "around zero-width characters": ("please de\u200blete it", "delete", "de\u200blete"),
    "full width": ("請ｄｅｌｅｔｅ它", "delete", "ｄｅｌｅｔｅ"),
    "after a letter that folds to two": ("ﬁx and delete", "delete", "delete"),
    "with decomposed accents before it": ("cafe\u0301 delete", "delete", "delete"),
    "in traditional Chinese": ("立刻刪除資料", "删除", "刪除"),
}


@pytest.mark.parametrize(("text", "word", "original"), SPANS.values(), ids=SPANS)
def test_a_found_word_is_shown_as_it_was_sent(text: str, word: str, original: str) -> None:
    found = LEXICON.fold(text)
    start = found.text.index(word)
    begin, end = found.original_span(start, start + len(word))
    assert text[begin:end] == original


HIDDEN: Final = {
    "a zero-width space": ("a\u200bb", (1,)),
    "a joiner between letters": ("a\u200db", (1,)),
    "a joiner at the end": ("👩\u200d", (1,)),
    "a bidirectional override": ("a\u202eb\u202c", (1, 3)),
    "tag characters": ("a\U000e0041\U000e0042", (1, 2)),
    "a Hangul filler": ("a\u3164b", (1,)),
    "an emoji of two": ("👩\u200d🚀", ()),
    "an emoji with skin tone": ("👩🏽\u200d💻", ()),
    "a heart between two": ("👩\u200d❤\ufe0f\u200d👨", ()),
    "a rainbow flag": ("🏳\ufe0f\u200d🌈", ()),
    "a coloured heart": ("❤\ufe0f", ()),
    "ordinary text": ("délete 刪除 데이터", ()),
}


@pytest.mark.parametrize(("text", "places"), HIDDEN.values(), ids=HIDDEN)
def test_hidden_characters_are_found_where_they_stand(text: str, places: tuple[int, ...]) -> None:
    assert hidden_spans(text) == tuple((place, place + 1) for place in places)
