"""Folding text for detection: spellings that look or read alike become one, and offsets are kept.

Folding may find a danger; it is never used to grant anything (see decisions on evidence).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from stage0.reading.text.confusables import CONFUSABLES

#: Characters that show nothing of themselves: the property Default_Ignorable_Code_Point (Unicode Character Database,
#: DerivedCoreProperties), with interlinear annotations and the Braille blank. Bidirectional controls (UAX #9), tags and
#: variation selectors are among them.
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN: Final = re.compile(f"[{_INVISIBLE}]")
#: With these, what folding leaves out: marks around the character before them, and signs that only format.
_LEFT_OUT: Final = re.compile(
    f"[{_INVISIBLE}\u0488\u0489\u1abe\u20dd-\u20e0\u20e2-\u20e4\ua670-\ua672"
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f]"
)
#: A regional indicator stands for a letter, and two of them for a flag: apart from what is beside them.
_REGIONAL: Final = range(0x1F1E6, 0x1F200)
_FIRST_REGIONAL: Final = 0x1F1E6


def is_hidden(code: int) -> bool:
    """Whether a code point is invisible or reorders text: zero-width, bidi control, tag, selector, filler."""
    return bool(_HIDDEN.match(chr(code)))


#: Code points whose folding is kept: more than any language writes with.
_KEPT: Final = 40_000


class FoldTable(dict[int, str | None]):
    """A `str.translate` table that works out each code point once. `scripts` maps characters of one
    writing system to their twin in another (traditional to simplified Chinese)."""

    def __init__(self, scripts: Mapping[str, str]) -> None:
        super().__init__()
        self._scripts = {char: scripts.get(twin, twin) for char, twin in scripts.items()}

    def __missing__(self, code: int) -> str | None:
        folded = self._folded(chr(code))
        if len(self) < _KEPT:
            self[code] = folded
        return folded

    def _folded(self, char: str) -> str | None:
        category = unicodedata.category(char)
        if _LEFT_OUT.match(char):
            return None
        if category == "Nd":
            return str(unicodedata.digit(char))
        if ord(char) in _REGIONAL:
            return f" {chr(ord('a') + ord(char) - _FIRST_REGIONAL)} "
        plain = CONFUSABLES.get(char) or "".join(map(_letter, unicodedata.normalize("NFKC", char)))
        if category == "No" and (plain[0].isdecimal() or plain[-1].isdecimal()):
            # A list's number or a footnote's is no part of the word beside it: `①delete`, `delete²`.
            return f" {plain} "
        return "".join([self._scripts.get(c, c) for c in plain])


class Folded(msgspec.Struct, frozen=True, gc=False):
    """A folded text. `offsets` gives, for each folded character, its index in the original; None where equal."""

    text: str
    original: str
    offsets: tuple[int, ...] | None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original text that a range of the folded one came from."""
        if self.offsets is None or start >= end:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1

    def folded_span(self, start: int, end: int) -> tuple[int, int]:
        """The range of the folded text that came from a range of the original one."""
        if self.offsets is None:
            return start, end
        return bisect_left(self.offsets, start), bisect_left(self.offsets, end)


def fold(text: str, table: FoldTable) -> Folded:
    """Fold for detection: compatibility forms (UAX #15), case, look-alikes (UTS #39), marks, invisible characters."""
    if text.isascii():
        return Folded(text.lower(), text, None)
    quick = text.translate(table)
    if len(quick) == len(text) and not _LEFT_OUT.search(text) and not _marks(quick):
        return Folded(quick, text, None)  # nothing was left out, so each character became one
    return _fold_clusters(text, table)


def with_capitals(folded: Folded) -> str:
    """A folded text with the capitals of the original, so that a name can be split into its words. A letter of a
    script that has no small ones in use (Cherokee), or in a circle, is no capital."""
    places = folded.offsets or range(len(folded.text))
    capital = {char: _is_capital(char) for char in set(folded.original)}
    return "".join(
        [
            char.upper() if capital[folded.original[place]] else char
            for char, place in zip(folded.text, places, strict=True)
        ]
    )


def _is_capital(char: str) -> bool:
    if not char.isupper() or unicodedata.category(char) != "Lu":
        return False
    return char not in CONFUSABLES or unicodedata.normalize("NFKD", char)[0].isascii()


def _marks(text: str) -> bool:
    return any(map(unicodedata.combining, text))


def _fold_clusters(text: str, table: FoldTable) -> Folded:
    out: list[str] = []
    offsets: list[int] = []
    marks = {char for char in set(text) if _is_mark(char)}
    size = len(text)
    start = 0
    while start < size:
        end = start + 1
        while end < size and text[end] in marks:
            end += 1
        plain = table[ord(text[start])] or ""
        if end - start > 1 or _marks(plain):
            plain = _composed(text[start:end].translate(table))
        out.append(plain)
        offsets.extend([start] * len(plain))
        start = end
    return Folded("".join(out), text, tuple(offsets))


def _composed(cluster: str) -> str:
    """A letter with its marks: as one letter where there is one, and without those that only decorate it."""
    kept = [char for char in unicodedata.normalize("NFC", cluster) if not unicodedata.combining(char)]
    return "".join([_bare(char) for char in kept])


def _letter(char: str) -> str:
    base = unicodedata.normalize("NFD", char)[0]
    return CONFUSABLES.get(char) or CONFUSABLES.get(base) or "".join([_bare(low) for low in char.casefold()])


@lru_cache(maxsize=4096)
def _bare(char: str) -> str:
    """A Latin letter, or one drawn like it, without its accents; other scripts keep their marks, which tell words
    apart."""
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() else CONFUSABLES.get(base, char)


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    return bool(unicodedata.combining(unicodedata.normalize("NFKC", char)[0]))


def hidden_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Ranges of invisible or reordering characters. Those that ordinary writing needs are exempt: in emoji (UTS #51),
    variants of ideographs (UTS #37), and joiners in Arabic and Indic scripts (UAX #31)."""
    if text.isascii():
        return ()
    found = [match.start() for match in _HIDDEN.finditer(text)]
    if not found:
        return ()
    flagged = {place for match in _TAGGED_FLAG.finditer(text) for place in range(*match.span())}
    return tuple((place, place + 1) for place in found if place not in flagged and not _ordinary(text, place))


#: England, Scotland and Wales: a black flag and the name of the region in tags, to the tag that ends it.
_TAGGED_FLAG: Final = re.compile(
    "\U0001f3f4(?:"
    + "|".join("".join(chr(0xE0000 + ord(char)) for char in region) for region in ("gbeng", "gbsct", "gbwls"))
    + ")\U000e007f"
)


def _ordinary(text: str, index: int) -> bool:
    """Whether an invisible character is part of ordinary writing where it stands."""
    code = ord(text[index])
    before = text[index - 1] if index else ""
    after = text[index + 1] if index + 1 < len(text) else ""
    if not before:
        return False
    if code in _JOINERS:
        return _joins_emoji(code, before, after) or _joins_letters(code, text, index)
    if code in _PRESENTATION:
        return _takes_presentation(before, after)
    if code in _VARIANTS:
        return unicodedata.name(before, "").startswith(_VARIED)
    if code in _MONGOLIAN_SELECTORS:
        return unicodedata.name(before, "").startswith("MONGOLIAN LETTER")
    return False


_JOINERS: Final = (0x200C, 0x200D)
#: Text or emoji presentation of the character before.
_PRESENTATION: Final = (0xFE0E, 0xFE0F)
_KEYCAP: Final = "\u20e3"
#: The first standardized variants, and ideographic variation sequences.
_VARIANTS: Final = frozenset((0xFE00, 0xFE01, 0xFE02, *range(0xE0100, 0xE01F0)))
_VARIED: Final = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC", "FULLWIDTH")
_MONGOLIAN_SELECTORS: Final = (0x180B, 0x180C, 0x180D, 0x180E, 0x180F)


def _takes_presentation(before: str, after: str) -> bool:
    """A sign, or the figure of a keycap; no letter but those that are drawn as emoji (ℹ)."""
    if before in "0123456789#*":
        return after == _KEYCAP
    return unicodedata.category(before) in ("So", "Sm", "Sk", "Po", "Pd") or before in "ℹ〰"


def _joins_emoji(code: int, before: str, after: str) -> bool:
    return code == 0x200D and _pictograph(before) and _pictograph(after)


def _pictograph(char: str) -> bool:
    if not char or unicodedata.normalize("NFKC", char).isalnum() or char in CONFUSABLES:
        return False  # a letter in a circle or a square
    return unicodedata.category(char) in ("So", "Sk", "Sm") or char == "\ufe0f"


def _joins_letters(code: int, text: str, index: int) -> bool:
    """Joiners that shape the letters beside them (UAX #31, A1 to B): between Arabic letters, and beside a virama."""
    before, after = text[index - 1], text[index + 1 : index + 2]
    if _joining(before) and (_joining(after) or code == 0x200D):
        return True
    virama = _VIRAMA_CLASS in (unicodedata.combining(before), unicodedata.combining(after) if after else 0)
    return virama and unicodedata.category(before)[0] in "LM" and not before.isascii()


_VIRAMA_CLASS: Final = 9
_CURSIVE: Final = ("ARABIC LETTER", "SYRIAC LETTER", "NKO LETTER", "MONGOLIAN LETTER", "MANDAIC LETTER")


def _joining(char: str) -> bool:
    return bool(char) and (
        unicodedata.name(char, "").startswith(_CURSIVE) or 0x64B <= ord(char) <= 0x65F  # vowel signs of Arabic
    )
