"""Words in disguise: spelled with figures, spaced out, broken, reversed, encoded or transliterated.

A disguise counts only where what it stands for is one of the words that matter, so that codes, ids and ordinary
spellings stay what they are. Pure, and linear in the length of the text; ordinary text costs two quick looks.
"""

from __future__ import annotations

import codecs
import re
import string
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, Literal

import ahocorasick_rs
import msgspec

from stage0.reading.text.decoding import base64_pieces, escaped_pieces, hex_pieces
from stage0.reading.text.folding import Folded, FoldTable, fold
from stage0.reading.text.scanning import PIECE, Scanner
from stage0.reading.text.transliteration import AMBIGUOUS, BESIDE, CLEAR

Kind = Literal["figures", "apart", "stretched", "respelled", "reversed", "transliterated", "encoded", "too many"]


class Disguise(msgspec.Struct, frozen=True, gc=False):
    """A range of a folded text and the folded words that it stands for. Of `too many` no words are given: the text
    holds more than is read here, and cannot be trusted."""

    start: int
    end: int
    plain: str
    kind: Kind


#: At most so many disguises are read in a text, and so many characters of one that is decoded.
_MOST: Final = 64
_DECODED_LENGTH_MAX: Final = 4096
#: Encodings within encodings.
_LAYERS: Final = 3
#: Letters of the shortest and of the longest word that is looked for in disguise.
_SHORTEST: Final = 3
_LONGEST_WORD: Final = 40

_LETTERS: Final = frozenset(string.ascii_lowercase)
_LATIN: Final = frozenset(string.ascii_lowercase + string.digits)
#: What a figure or a sign is read as. 1, ! and | stand for i and for l, so that these two are one here.
_FIGURES: Final = str.maketrans("0123456789@$!|+€£¢¥l", "oizeasgtbgasiiteicyi")


class Words:
    """The words that matter, folded, in every language, prepared once. Those of Latin letters alone are looked for in
    each disguise, the others in what is decoded. `table` folds what was decoded."""

    def __init__(self, plain: Iterable[str], table: FoldTable) -> None:
        self.table = table
        self._every = sorted({word for word in plain if len(word) >= _SHORTEST or not word.isascii()})
        self._named = Scanner(self._every)
        latin = [word for word in self._every if _LETTERS.issuperset(word)]
        by_figures: dict[str, list[str]] = {}
        for word in latin:
            by_figures.setdefault(word.translate(_FIGURES), []).append(word)
        self._by_figures = list(by_figures.values())
        self._figures = Scanner(list(by_figures))
        self._by_squeezed = {_squeeze(word): word for word in reversed(latin) if len(word) > _SHORTEST}
        spellings = _respell(latin)
        self._spellings = list(spellings.values())
        self._spelled = Scanner([*spellings, *(letter * 3 for letter in string.ascii_lowercase)])

    def named(self, text: str) -> set[str]:
        """The words that stand in a folded text as they are."""
        found = self._named.find(text)
        return {self._every[index] for index, start, end in found if _is_bordered(text, start, end)}

    def spelled(self, text: str) -> list[Disguise]:
        """The words in one of the spellings that are known beforehand, and the stretched ones."""
        found: list[Disguise] = []
        stretched = False
        for index, start, end in self._spelled.find(text):
            if index >= len(self._spellings):
                stretched = True
            elif _is_bordered(text, start, end):
                plain, kind = self._spellings[index]
                if text[start:end] not in AMBIGUOUS or any(word in text for word in BESIDE):
                    found.append(Disguise(start, end, plain, kind))
        if stretched:
            found.extend(self._stretched(text))
        return found

    def _stretched(self, text: str) -> Iterator[Disguise]:
        """`deeeleeete`: a letter three times or more, which no word has."""
        for token in _TOKEN.finditer(text):
            if token.end() - token.start() <= _LONGEST_WORD and _THRICE.search(token[0]):
                plain = self._by_squeezed.get(_squeeze(token[0]))
                if plain:
                    yield Disguise(token.start(), token.end(), plain, "stretched")

    def figured(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Every place where the letters and figures of a text can be read as a word, with the word."""
        for index, start, end in self._figures.find(text.translate(_FIGURES)):
            for word in self._by_figures[index]:
                if _reads_as(text[start:end], word):
                    yield start, end, word
                    break


_TOKEN: Final = re.compile(r"(?<![a-z0-9])[a-z]++(?![a-z0-9])")
_THRICE: Final = re.compile(r"([a-z])\1\1")
_AGAIN: Final = re.compile(r"([a-z])\1+")


def _squeeze(word: str) -> str:
    return _AGAIN.sub(r"\1", word)


def _is_bordered(text: str, start: int, end: int) -> bool:
    """Whether a range is no piece of a longer Latin word; other scripts have no such borders."""
    if start and text[start] in _LATIN and text[start - 1] in _LATIN:
        return False
    return end == len(text) or text[end - 1] not in _LATIN or text[end] not in _LATIN


def _reads_as(raw: str, word: str) -> bool:
    """Whether figures and letters spell a word. Two letters must stand as they are, or it is a number; i for l is a
    disguise only in a word too long to be another one (`mall`, `mail`)."""
    if raw == word:
        return True
    letters = sum(char in _LETTERS for char in raw)
    swapped = any(char in "il" and char != meant for char, meant in zip(raw, word, strict=True))
    return letters >= 2 and (not swapped or len(word) >= _TELLING)


# -- spellings that are known beforehand

#: A word of so many letters is not another ordinary word by accident.
_TELLING: Final = 6
#: Ordinary words that are a word backwards.
_ORDINARY: Final = frozenset({"drawer", "reviled", "reined", "lamina", "spacer", "timers", "lepers", "drawers"})
#: Short ordinary words: `as sign`, `in form` and `for mat` are two words.
_SHORT: Final = frozenset(
    (
        *("a", "an", "and", "as", "at", "be", "by", "can", "for", "from", "he", "in", "is", "it", "me", "my", "no"),
        *("not", "of", "off", "on", "one", "or", "our", "out", "over", "pay", "set", "so", "the", "to", "under", "up"),
        *("us", "we", "with", "her", "his", "all", "any", "end", "man", "ring", "ding", "king", "able", "age", "ages"),
        *("re", "ll", "ve", "down", "back", "list", "lists", "stream", "shut", "roll", "live", "tear", "use", "form"),
    )
)


def _respell(latin: Sequence[str]) -> dict[str, tuple[str, Kind]]:
    """Each known spelling with the word and the kind of disguise; none is itself one of the words."""
    found: dict[str, tuple[str, Kind]] = {}
    for word in latin:
        for spelling, kind in _spellings(word):
            found.setdefault(spelling, (word, kind))
    for spelling, plain in chain(CLEAR.items(), AMBIGUOUS.items()):
        found[spelling] = (plain, "transliterated")
    for word in {*latin, *_ORDINARY} & found.keys():
        del found[word]
    return found


def _spellings(word: str) -> Iterator[tuple[str, Kind]]:
    if len(word) > _SHORTEST:
        yield "".join(letter * 2 for letter in word), "stretched"
        yield word.replace("w", "vv"), "respelled"
    if len(word) >= _TELLING - 1:
        yield codecs.encode(word, "rot13"), "encoded"
    if len(word) >= _TELLING:
        yield word[::-1], "reversed"
        # Drawn alike in most fonts.
        for drawn, alike in (("m", "rn"), ("d", "cl"), ("i", "l"), ("l", "i")):
            yield word.replace(drawn, alike), "respelled"
        for cut in range(2, len(word) - 1):
            if _SHORT.isdisjoint((word[:cut], word[cut:])):
                yield f"{word[:cut]} {word[cut:]}", "apart"
                yield f"{word[:cut]}\n{word[cut:]}", "apart"


# -- finding


def find_disguises(folded: Folded, words: Words) -> tuple[Disguise, ...]:
    """The disguises of a folded text, in order, none inside another."""
    return _find_in_layers(folded, words, _LAYERS)


def _find_in_layers(folded: Folded, words: Words, layers: int) -> tuple[Disguise, ...]:
    text = folded.text
    found = words.spelled(text)
    looks = _look(folded.original)
    if not folded.original.isascii():
        looks |= _look(text)
        if _OVERRIDE in folded.original:
            found += _find_overrides(folded, words)
    if looks & _FIGURED:
        found += _find_figures(text, words)
    if looks & _APART:
        found += _apart(text, words)
    if looks & _ENCODED and layers:
        found += _find_encoded(folded, words, layers)
    return _in_order(found) if found else ()


def _in_order(found: list[Disguise]) -> tuple[Disguise, ...]:
    """The longest at each place, and no more than are read."""
    found.sort(key=lambda each: (each.start, -each.end))
    kept: list[Disguise] = []
    for each in found:
        if kept and each.start < kept[-1].end:
            continue
        if len(kept) == _MOST:
            kept.append(Disguise(each.start, found[-1].end, "", "too many"))
            break
        kept.append(each)
    return tuple(kept)


def reveal(folded: Folded, found: Sequence[Disguise]) -> Folded:
    """A folded text with each disguise replaced by what it stands for; offsets go on pointing into the original."""
    if not found:
        return folded
    offsets = folded.offsets or range(len(folded.text))
    text: list[str] = []
    places: list[int] = []
    at = 0
    for each in found:
        text.append(folded.text[at : each.start])
        places.extend(offsets[at : each.start])
        start, end = folded.original_span(each.start, each.end)
        plain = _separate(each, folded.text)
        text.append(plain)
        # Spread evenly, so that a word of a decoded text points to about where it stands.
        places.extend(start + (end - 1 - start) * i // max(1, len(plain) - 1) for i in range(len(plain)))
        at = each.end
    text.append(folded.text[at:])
    places.extend(offsets[at:])
    return Folded("".join(text), folded.original, tuple(places))


def _separate(each: Disguise, text: str) -> str:
    """What a disguise stands for, as words of their own. What cannot be trusted stays as it is."""
    plain = each.plain or text[each.start : each.end]
    before = " " if text[each.start - 1 : each.start] in _LATIN else ""
    after = " " if text[each.end : each.end + 1] in _LATIN else ""
    return f"{before}{plain}{after}"


# -- a quick look

#: Classes of characters: a letter, A capital, 0 figure or sign that is read as a letter, ! sign that rarely is,
#: - what may break a word, h hyphen, % what begins an escape, x what is not ASCII.
_CLASS_OF: Final = {
    "a": string.ascii_lowercase,
    "A": string.ascii_uppercase,
    "0": string.digits + "@$",
    "!": "!|+",
    " ": string.whitespace,
    "h": "-",
    "-": "_/.*~`'\"^#<>[](){}" + "".join(map(chr, (*range(9), *range(14, 32), 127))),
    "%": "%\\&=",
    "x": "?",
    ",": ",;:",
}
_CLASSES: Final = bytes.maketrans(
    "".join(_CLASS_OF.values()).encode(), "".join(name * len(chars) for name, chars in _CLASS_OF.items()).encode()
)
#: Where to look: for figures, for pieces, for encodings.
_FIGURED, _APART, _ENCODED = 1, 2, 4
_BETWEEN: Final = (" ", "- ", ", ", " h ", " - ")
_SIGNS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("a0", "0a", "A0", "0A"), _FIGURED | _ENCODED),
    **dict.fromkeys(("aA", "00000000", "%"), _ENCODED),
    **dict.fromkeys((f"{a}{between}{b}" for a in "aA0" for b in "aA0" for between in "x!"), _FIGURED | _APART),
    **dict.fromkeys((" !a", " !A"), _FIGURED),
    **dict.fromkeys(
        (
            *(f"{a}{between}{b}" for a in "aA0" for b in "aA0" for between in "h-" if a + b != "00"),
            *(f"{a}{between}" for a in "aA0" for between in ("--", "-h", "h-", "hh", "h ", "-!")),
            *(f" {a}{between}{b}{after}" for a in "aA0" for b in "aA0" for between in _BETWEEN for after in " h-,"),
            *(" aa aa aa ", " AA AA AA ", "  "),
        ),
        _APART,
    ),
}
_LOOK: Final = ahocorasick_rs.BytesAhoCorasick([sign.encode() for sign in _SIGNS])
_LOOKS: Final = tuple(_SIGNS.values())
_LONGEST_SIGN: Final = max(map(len, _SIGNS))


def may_be_encoded(text: str) -> bool:
    """A quick look: false means that no part of a text is in an encoding."""
    return bool(_look(text) & _ENCODED)


def _look(text: str) -> int:
    """Which disguises a text could hold, beside those that are known beforehand."""
    if len(text) <= PIECE:
        return _looks_of(b" %b " % _classes_of(text))
    looks = 0
    for begins in range(0, len(text), PIECE):
        # In pieces, as a scanner does it; a text begins and ends with a space.
        classes = _classes_of(text[max(0, begins - _LONGEST_SIGN) : begins + PIECE])
        first, last = b" " * (begins == 0), b" " * (begins + PIECE >= len(text))
        looks |= _looks_of(first + classes + last)
    return looks


def _classes_of(text: str) -> bytes:
    return text.encode("ascii", "replace").translate(_CLASSES)


def _looks_of(classes: bytes) -> int:
    looks = 0
    for index in {index for index, _, _ in _LOOK.find_matches_as_indexes(classes, overlapping=True)}:
        looks |= _LOOKS[index]
    return looks


# -- figures and signs for letters: d3l3te, $end, p@y


def _find_figures(text: str, words: Words) -> list[Disguise]:
    found: list[Disguise] = []
    signed: list[Disguise] = []
    for start, end, word in words.figured(text):
        raw = text[start:end]
        if raw.isalpha() or _is_a_number(text, start, end) or not _by_itself(text, start, end):
            continue
        if raw[-1] in "5$" and raw[:-1].isalpha():  # `toggle5`, `^tag$`
            continue
        (signed if raw[0] == "$" else found).append(Disguise(start, end, word, "figures"))
    # Beside a name that is no word, `$end` is a variable as well.
    if signed and len(_VARIABLE.findall(text)) == len(signed):
        found += signed
    return found


_VARIABLE: Final = re.compile(r"(?<![a-z0-9])\$[a-z_]")


def _by_itself(text: str, start: int, end: int) -> bool:
    return not (start and text[start - 1] in _LATIN) and not (end < len(text) and text[end] in _LATIN)


_HEX: Final = re.compile(r"[0-9a-f]+")
_HEX_BEFORE: Final = re.compile(r"[0-9a-f]-?\Z")
_HEX_AFTER: Final = re.compile(r"-?[0-9a-f]")
_CODE_BEFORE: Final = re.compile(r"(?=[a-z+/]*[0-9])[a-z0-9+/]{20}\Z")
_CODE_AFTER: Final = re.compile(r"(?=[a-z+/]*[0-9])[a-z0-9+/]{20}")


def _is_a_number(text: str, start: int, end: int) -> bool:
    """Whether a range is a hexadecimal number or a piece of one, such as a UUID, or of base64."""
    if _HEX.fullmatch(text, start, end) and (
        end - start <= _SHORTEST + 1
        or _HEX_BEFORE.search(text[max(0, start - 2) : start])
        or _HEX_AFTER.match(text, end)
    ):
        return True
    return bool(_CODE_BEFORE.match(text[max(0, start - 20) : start]) or _CODE_AFTER.match(text, end))


# -- letters apart and words broken: d e l e t e, d.e-l_e, del-ete, de**le**te, de<b>le</b>te

_TAG: Final = re.compile(r"</?[a-z][a-z0-9]{0,10}(?:\s[^<>]{0,100})?>|<!--.{0,100}?-->", re.DOTALL)
_LETTER: Final = "[a-z0-9@$]"
_BREAK: Final = r"(?:\x00++|[^\w\s,:;=@$!?%&。，、：；！？・「」『』（）])"
#: A word broken by a mark or two, or by a hyphen at the end of a line.
_BROKEN: Final = re.compile(
    rf"(?<!{_LETTER}){_LETTER}++(?>(?:(?:(?>(?:_|{_BREAK}){{1,3}})|[-‐][ \t]{{0,8}}\r?\n[ \t]{{0,40}}){_LETTER}++)+)"
)
#: Pieces of one letter or two.
_SPACED: Final = re.compile(
    rf"(?<!{_LETTER}){_LETTER}{{1,2}}+(?!{_LETTER})(?>(?:[^a-z0-9@$]{{1,3}}+{_LETTER}{{1,2}}+(?!{_LETTER}))+)"
)
_PIECE: Final = re.compile(f"{_LETTER}+")
#: What stands behind an apostrophe in ordinary writing: she'll, don't.
_CONTRACTED: Final = frozenset({"s", "t", "d", "m", "ll", "re", "ve"})


def _apart(text: str, words: Words) -> list[Disguise]:
    if "<" in text:
        text = _TAG.sub(lambda tag: "\0" * len(tag[0]), text)
    found: list[Disguise] = []
    for pattern in (_SPACED, _BROKEN):
        for region in pattern.finditer(text):
            pieces = [piece.span() for piece in _PIECE.finditer(text, *region.span())]
            found.extend(_join(text, pieces, words, tight=pattern is _BROKEN))
    return found


def _join(text: str, pieces: list[tuple[int, int]], words: Words, *, tight: bool) -> Iterator[Disguise]:
    """The words that whole pieces give together."""
    together = "".join([text[start:end] for start, end in pieces])
    starts = [0]
    for start, end in pieces:
        starts.append(starts[-1] + end - start)
    for start, end, word in words.figured(together):
        first, last = bisect_right(starts, start) - 1, bisect_right(starts, end - 1) - 1
        if first == last or starts[first] != start or starts[last + 1] != end:
            continue
        if (_is_meant_whole if tight else _is_meant_apart)(text, pieces, first, last, word):
            yield Disguise(pieces[first][0], pieces[last][1], word, "apart")


def _is_meant_apart(text: str, pieces: list[tuple[int, int]], first: int, last: int, word: str) -> bool:
    """Single letters give a word of four wherever they stand, and one of three by itself; pieces of two letters are
    ordinary words, and give one of five in three of them."""
    if any(end - start > 1 for start, end in pieces[first : last + 1]):
        return len(word) > _SHORTEST + 1 and last - first > 1 and text[pieces[first][0] : pieces[last][1]].isprintable()
    if len(word) > _SHORTEST:
        return len(word) > _SHORTEST + 1 or all(text[start].isalpha() for start, _ in pieces[first : last + 1])
    inner = max(_gap(pieces, index) for index in range(first, last))
    return (first == 0 or _gap(pieces, first - 1) > inner) and (last == len(pieces) - 1 or _gap(pieces, last) > inner)


def _gap(pieces: list[tuple[int, int]], index: int) -> int:
    return pieces[index + 1][0] - pieces[index][1]


def _is_meant_whole(text: str, pieces: list[tuple[int, int]], first: int, last: int, word: str) -> bool:
    """`del-ete`, `dr.op`; not `re-use`, `she'll`, `w/out`, `(a)bort`, `append(s)`, nor a piece of a number."""
    inner = pieces[first : last + 1]
    parts = [text[start:end] for start, end in inner]
    whole = "".join(parts)
    if any(text[start - 1] in "'’" and text[start:end] in _CONTRACTED for start, end in inner[1:]):
        return False
    if all(len(part) == 1 for part in parts):
        return len(word) > _SHORTEST or (first == 0 and last == len(pieces) - 1)
    if not whole.isalpha() and (len(parts) == 2 or _HEX.fullmatch(whole)):
        return False
    if parts[0] in _PREFIXES or _SHORT.issuperset(parts):
        return False
    if any(len(part) == 1 for part in parts):
        # A letter by itself may be a plural, a key of a menu, or a name in a program.
        return len(word) >= _TELLING and parts[-1] != "s" and not _BRACKET.search(text, inner[0][1], inner[-1][0])
    return len(word) > _SHORTEST


#: Before a hyphen these make a word of their own.
_PREFIXES: Final = frozenset({"e", "re", "for", "in", "as"})
_BRACKET: Final = re.compile(r"[\[\](){}\\'\"`<>\0]")


# -- encodings

#: So few characters of a number or of a commit's name are a word with figures in it by chance: `7034592e` is `p4Y.`.
_BY_CHANCE: Final = 4


def _find_encoded(folded: Folded, words: Words, layers: int) -> Iterator[Disguise]:
    """What is encoded and holds a word, in the open or in a disguise again."""
    for piece in base64_pieces(folded.original):
        start, end = folded.folded_span(piece.start, piece.end)
        yield from _telling(start, end, piece.plain, words, layers, already=frozenset())
    for piece in hex_pieces(folded.text):
        figures = len(piece.plain) > _BY_CHANCE
        yield from _telling(piece.start, piece.end, piece.plain, words, layers, already=frozenset(), figures=figures)
    for piece in escaped_pieces(folded.text):
        already = frozenset(words.named(folded.text[piece.start : piece.end]))
        yield from _telling(piece.start, piece.end, piece.plain, words, layers, already=already)


def _telling(
    start: int, end: int, plain: str, words: Words, layers: int, *, already: frozenset[str], figures: bool = True
) -> Iterator[Disguise]:
    inner = fold(plain, words.table)
    within = _find_in_layers(inner, words, layers - 1)
    if not figures:
        within = tuple(each for each in within if each.kind != "figures")
    if not within and words.named(inner.text) <= already:
        return
    if len(plain) > _DECODED_LENGTH_MAX or any(each.kind == "too many" for each in within):
        yield Disguise(start, end, "", "too many")
    else:
        yield Disguise(start, end, reveal(inner, within).text, "encoded")


# -- reversed by a right-to-left override (UAX #9): people read it backwards, programs do not

_OVERRIDE: Final = "\u202e"
_OVERRIDDEN: Final = re.compile("\u202e([^\u202c\u2029\n]+)")


def _find_overrides(folded: Folded, words: Words) -> Iterator[Disguise]:
    for run in _OVERRIDDEN.finditer(folded.original):
        start, end = folded.folded_span(*run.span(1))
        shown = folded.text[start:end][::-1]
        if words.named(shown) - words.named(folded.text[start:end]):
            yield Disguise(start, end, shown, "reversed")
