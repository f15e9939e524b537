"""Folding text for detection: spellings that look or read alike become one, and offsets are kept.

Folding may find a danger; it is never used to grant anything (see decisions on evidence).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

# Letters of other scripts that are drawn like Latin ones. Facts from the Unicode charts.
_LOOKALIKES: Final = dict(
    zip(
        "аеорсухівјѕԁԛԝһӏмтнкгпбАВЕКМНОРСТУХІЈЅԌαβεικνορτυχωγΑΒΕΖΗΙΚΜΝΟΡΤΥΧɑɡıⅼօսհոɩ",
        "aeopcyxibjsdqwhimthkrnbabekmhopctyxijsgabeiknoptuxwyabezhikmnoptyxagilouhni",
        strict=True,
    )
)

#: Joiners that are part of ordinary writing: emoji sequences and Indic/Arabic scripts.
_ORDINARY_INVISIBLES: Final = frozenset({0x200D, 0xFE0F, 0xFE0E})
_SOFT_HYPHEN: Final = 0x00AD


def is_hidden(code: int) -> bool:
    """Whether a code point is invisible or reorders text: zero-width, bidi control, tag, soft hyphen."""
    return (
        0x200B <= code <= 0x200F
        or 0x202A <= code <= 0x202E
        or 0x2060 <= code <= 0x206F
        or 0xE0000 <= code <= 0xE007F
        or 0x180B <= code <= 0x180F
        or 0xFE00 <= code <= 0xFE0D
        or 0xE0100 <= code <= 0xE01EF
        or code in (_SOFT_HYPHEN, 0xFEFF, 0x034F, 0x061C, 0x115F, 0x1160, 0x3164, 0xFFA0)
    )


#: Code points whose folding is kept: more than any language writes with.
_KEPT: Final = 40_000


class FoldTable(dict[int, str | None]):
    """A `str.translate` table that works out each code point once. `scripts` maps characters of one
    writing system to their twin in another (traditional to simplified Chinese)."""

    def __init__(self, scripts: Mapping[str, str]) -> None:
        super().__init__()
        self._scripts = scripts

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        folded: str | None
        if is_hidden(code) or code in _ORDINARY_INVISIBLES or unicodedata.category(char) == "Cf":
            folded = None
        else:
            plain = _LOOKALIKES.get(char) or unicodedata.normalize("NFKC", char)
            plain = "".join(_bare(_LOOKALIKES.get(c, c)) for c in plain.casefold())
            folded = "".join(self._scripts.get(c, c) for c in plain)
        if len(self) < _KEPT:
            self[code] = folded
        return folded


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


def fold(text: str, table: FoldTable) -> Folded:
    """Fold for detection: compatibility forms, case, look-alikes, marks and invisible characters."""
    if text.isascii():
        return Folded(text.lower(), text, None)
    quick = text.translate(table)
    if len(quick) == len(text) and not _marks(quick):
        return Folded(quick, text, None)
    return _fold_clusters(text, table)


def _marks(text: str) -> bool:
    return any(map(unicodedata.combining, text))


def _fold_clusters(text: str, table: FoldTable) -> Folded:
    out: list[str] = []
    offsets: list[int] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _is_mark(text[end]):
            end += 1
        cluster = unicodedata.normalize("NFC", text[start:end].translate(table))
        kept = [c for c in cluster if not unicodedata.combining(c)]
        bare = [_bare(c) for c in kept]
        out.extend(bare)
        offsets.extend([start] * len(bare))
        start = end
    return Folded("".join(out), text, tuple(offsets))


@lru_cache(maxsize=4096)
def _bare(char: str) -> str:
    """A Latin letter without its accents; other scripts keep their marks, which tell words apart."""
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() else char


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    return bool(unicodedata.combining(unicodedata.normalize("NFKC", char)[0]))


def hidden_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Ranges of invisible or reordering characters; joiners inside emoji are exempt."""
    if text.isascii():
        return ()
    return tuple((i, i + 1) for i, char in enumerate(text) if is_hidden(ord(char)) and not _ordinary(text, i))


def _ordinary(text: str, index: int) -> bool:
    """Whether an invisible character is ordinary writing: a joiner inside an emoji, a variant of an ideograph."""
    if 0xE0100 <= ord(text[index]) <= 0xE01EF:
        return index > 0 and "CJK UNIFIED" in unicodedata.name(text[index - 1], "")
    return _joins_emoji(text, index)


def _joins_emoji(text: str, index: int) -> bool:
    if ord(text[index]) != 0x200D:
        return False
    before = text[index - 1] if index else ""
    after = text[index + 1] if index + 1 < len(text) else ""
    return _pictograph(before) and _pictograph(after)


def _pictograph(char: str) -> bool:
    return bool(char) and (unicodedata.category(char) in ("So", "Sk") or ord(char) in (0xFE0F,))
