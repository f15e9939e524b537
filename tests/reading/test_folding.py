"""Folding finds the same word in every disguise, and points back into the text as sent."""

from __future__ import annotations

import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.policy import shipped_packs
from stage0.reading.text.confusables import CONFUSABLES
from stage0.reading.text.folding import Folded, fold, hidden_spans, is_hidden, with_capitals
from tests.asserting import nonempty
from tests.generate_confusables import FILE, module

TABLE: Final = shipped_packs()["stage0-default"].knowledge.lexicon.table


def folded(text: str) -> str:
    """The folded text alone."""
    return fold(text, TABLE).text


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
    "Armenian, Cyrillic and Greek letters": "ԁεl\u0435τε",
    "Cherokee letters": "ᎠᎬᏞᎬᎢᎬ",
    "Lisu letters": "ꓓꓰꓡꓰꓔꓰ",
    "Canadian syllables": "ᗪᗴᒪᗴTᗴ",
    "small capitals": "ᴅᴇʟᴇᴛᴇ",
    "superscript letters": "ᵈᵉˡᵉᵗᵉ",
    "letters in squares": "🄳🄴🄻🄴🅃🄴",
    "letters in black squares": "🅳🅴🅻🅴🆃🅴",
    "letters in black circles": "🅓🅔🅛🅔🅣🅔",
    "Fraktur": "𝔡𝔢𝔩𝔢𝔱𝔢",
    "turned letters": "dǝlǝʇǝ",
    "struck letters": "đɇłɇŧɇ",
    "enclosing marks": "d⃝e⃝l⃝e⃝t⃝e⃝",
    "a heap of marks": "d\u0353\u033d\u0343e\u0353\u033dlet\u0489e\u0336\u0334",
    "a Braille blank": "de\u2800lete",
    "a Hangul filler": "de\u3164lete",
    "an interlinear annotation": "de\ufff9lete",
    "a Khmer vowel that shows nothing": "de\u17b5lete",
    "an invisible musical sign": "de\U0001d173lete",
    "an unassigned ignorable": "de\U000e0fffl\u2065ete",
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
    "figures of another script": ("٣٤ १२ ๑", "34 12 1"),
    "accents of an ordinary name": ("Łukasz Müller-Østergård", "lukasz muller-ostergard"),
    "a number of a list is no part of the word": ("①delete", " 1 delete"),
    "a number of a footnote neither": ("delete²", "delete 2 "),
    "a flag neither": ("🇺🇸delete", " u  s delete"),
    "a capital I of another script": ("ІΙ", "ii"),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_two_spellings_of_one_text_fold_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("removeUserAccounts", "removeUserAccounts"),
        ("ｒｅｍｏｖｅＵｓｅｒ", "removeUser"),
        ("r\u0336emove\u0301U\u0336ser", "removeUser"),
        ("re\u200bmoveUser", "removeUser"),
        ("remove𝐔ser", "removeUser"),
        ("removeСache", "removeCache"),
        ("ÉcrireTout", "EcrireTout"),
        ("ᎠᎬᏞᎬᎢᎬ_users", "delete_users"),
        ("ⒹⒺⓁⒺⓉⒺ_users", "delete_users"),
        ("刪除Users", "删除Users"),
    ],
)
def test_a_name_keeps_its_capitals_where_it_is_to_be_split(text: str, name: str) -> None:
    assert with_capitals(fold(text, TABLE)) == name


ORDINARY: Final = {
    "katakana that is drawn like other characters": "ロニーカエトハヘタネチ",
    "hiragana": "へしくりつこ",
    "ideographs that are drawn like letters": "一口丨工日十卜人八丁",
    "Hangul": "이으스",
    "Bopomofo": "ㄒㄖㄚㄟㄥ",
    "emoji": "🚀❤🔥👩👍🏽",
    "signs": "€5 ∪ × ∨ £ ℮ → ✓",
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_writing_stays_as_it_is(text: str) -> None:
    assert folded(text) == text


def test_the_table_of_confusables_is_what_its_generator_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == module()


def test_every_confusable_folds_to_one_plain_letter_or_figure() -> None:
    assert len(CONFUSABLES) > 500
    for char, plain in nonempty(CONFUSABLES.items()):
        assert not char.isascii()
        assert len(plain) == 1, char
        assert plain in "abcdefghijklmnopqrstuvwxyz0123456789"
        assert folded(char).strip() == plain, char


def test_an_invisible_character_is_one_by_its_property() -> None:
    invisible = [chr(code) for code in range(0x110000) if is_hidden(code)]
    assert len(invisible) > 4000
    assert not any(char.isalnum() and unicodedata.category(char) != "Lo" for char in nonempty(invisible))
    assert not any(char.isspace() for char in nonempty(invisible))
    assert {folded(char) for char in invisible} == {""}


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
    found = fold(text, TABLE)
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
def test_a_range_of_the_original_is_found_in_the_folded_text(text: str) -> None:
    found = fold(text, TABLE)
    for place in range(len(found.text)):
        start, end = found.folded_span(*found.original_span(place, place + 1))
        assert start <= place < end


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
    "where one character is left out and another becomes two": ("\u200bß delete", "delete", "delete"),
    "in traditional Chinese": ("立刻刪除資料", "删除", "刪除"),
}


@pytest.mark.parametrize(("text", "word", "original"), SPANS.values(), ids=SPANS)
def test_a_found_word_is_shown_as_it_was_sent(text: str, word: str, original: str) -> None:
    found = fold(text, TABLE)
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
    "a Braille blank between letters": ("a\u2800b", (1,)),
    "an interlinear annotation": ("a\ufff9b", (1,)),
    "a Mongolian selector between letters": ("a\u180bb", (1,)),
    "a Mongolian selector in Mongolian": ("\u1820\u180b", ()),
    "England": ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", ()),
    "a flag with a name that is none": ("🏴\U000e0064\U000e0072\U000e006f\U000e0070\U000e007f", (1, 2, 3, 4, 5)),
    "England without its end": ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067", (1, 2, 3, 4, 5)),
    "a keycap": ("1\ufe0f\u20e3", ()),
    "a selector behind a figure": ("1\ufe0f2", (1,)),
    "a selector behind a letter": ("a\ufe0fb", (1,)),
    "a second selector behind an emoji": ("❤\ufe0f\ufe0f", (2,)),
    "a selector that emoji do not take": ("❤\ufe05", (1,)),
    "a variant of an ideograph": ("葛\U000e0100城", ()),
    "a second variant of one ideograph": ("葛\U000e0100\U000e0101", (2,)),
    "Persian": ("می\u200cخواهم", ()),
    "an Arabic abbreviation": ("ه\u200d", ()),
    "Hindi": ("क्\u200dष र्\u200cष", ()),
    "Bengali": ("র\u200d্য", ()),
    "a joiner between letters in circles": ("Ⓐ\u200d🅱", (1,)),
    "a non-joiner between Latin letters": ("a\u200cb", (1,)),
    "a non-joiner at the end of Persian": ("می\u200c", (2,)),
}


@pytest.mark.parametrize(("text", "places"), HIDDEN.values(), ids=HIDDEN)
def test_hidden_characters_are_found_where_they_stand(text: str, places: tuple[int, ...]) -> None:
    assert hidden_spans(text) == tuple((place, place + 1) for place in places)
