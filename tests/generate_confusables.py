"""Writes `src/stage0/reading/text/confusables.py`: `python -m tests.generate_confusables`. A test compares them.

The facts are the confusables of Unicode Technical Standard #39, which the development dependency
`confusable-homoglyphs` carries, and the names of letters in the Unicode Character Database. A newer Python does not
change the table: names and decompositions of assigned characters are stable.
"""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent.parent / "src" / "stage0" / "reading" / "text" / "confusables.py"

#: Ordinary writing of the languages that are read: some of it is drawn like a Latin letter (丨, ㇿ), none is meant so.
_ORDINARY: Final = ("CJK", "KANGXI", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH", "HANGUL", "BOPOMOFO", "YI ")
#: Read as Latin letters in everyday disguises, though the data compares them with nothing that is Latin.
_ALSO: Final = dict(zip("бпкмьΥβεχκγωĸᗩᗷᑕᗪᗴᖴᘜᕼᒍᒪᗰᑎᑭᑫᖇᔕᑌᐯᗯᘔ", "bnkmbybexkywkabcdefghjlmnpqrsuvwz", strict=True))
_LETTER_NAME: Final = re.compile(
    r"(?:LATIN (?:CAPITAL |SMALL )?LETTER "
    r"(?:(?:SMALL CAPITAL|TURNED|REVERSED|INVERTED|SIDEWAYS|OPEN|DOTLESS|SCRIPT|INSULAR|BARRED|LONG) )*"
    r"|(?:CROSSED )?NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER )"
    r"(?P<letter>[A-Z])(?: WITH .+)?"
)


def table() -> dict[str, str]:
    """Each character that is drawn like one Latin letter or digit, beyond what compatibility (NFKC) and accents
    already make of it."""
    pairs: Mapping[str, list[dict[str, str]]] = json.loads(
        files("confusable_homoglyphs").joinpath("confusables.json").read_text("utf-8")
    )
    alike = {char: [pair["c"] for pair in found] for char, found in pairs.items() if len(char) == 1}
    letters = (chr(code) for code in range(0x80, 0x20000))
    found = {char: plain for char in letters if (plain := _plain(char, alike))}
    # A capital I of another script is drawn like an l, and is an i.
    for char, plain in found.items():
        if plain == "l" and found.get(char.lower(), plain) == "i":
            found[char] = "i"
    return {char: plain for char, plain in found.items() if not _reached(char, plain, found)}


def _reached(char: str, plain: str, found: Mapping[str, str]) -> bool:
    """Whether folding reaches the letter without this entry, over a compatible, a lower-case or a bare character."""
    compatible = unicodedata.normalize("NFKC", char)
    lower = compatible.casefold()
    base = unicodedata.normalize("NFD", compatible)[0]
    if compatible != char and compatible in found:
        return found[compatible] == plain
    return plain in (found.get(other) for other in (lower, base, base.casefold()) if other != char)


def _plain(char: str, alike: Mapping[str, list[str]]) -> str:
    """The Latin letter or digit that a character is drawn like; empty where there is none, or where it needs none."""
    name = unicodedata.name(char, "")
    if not name or name.startswith(_ORDINARY) or _bare(unicodedata.normalize("NFKC", char).casefold()).isascii():
        return ""
    named = _LETTER_NAME.fullmatch(name)
    if named:
        return named["letter"].lower()
    # Signs keep their meaning (€, ∪, ×), and digits of other scripts their value.
    if unicodedata.category(char)[0] not in "LN" or unicodedata.category(char) == "Nd":
        return ""
    return _ALSO.get(char) or next((plain for other in alike.get(char, ()) if (plain := _latin(other))), "")


def _latin(other: str) -> str:
    """A counterpart as a lower-case letter or digit: without marks, and by name where it is a small capital."""
    bare = _bare(other)
    if len(bare) != 1:
        return ""
    if bare.isascii():
        return bare.lower() if bare.isalnum() else ""
    named = _LETTER_NAME.fullmatch(unicodedata.name(bare, ""))
    return named["letter"].lower() if named else ""


def _bare(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))


def module() -> str:
    """The text of the module."""
    by_letter: dict[str, list[str]] = {}
    for char, plain in table().items():
        by_letter.setdefault(plain, []).append(char)
    lines = [line for plain in sorted(by_letter) for line in _lines(plain, by_letter[plain])]
    return _HEAD + "\n".join(lines) + _TAIL


def _lines(plain: str, chars: list[str]) -> list[str]:
    """Code points, since many of these letters cannot be told apart by eye, or run from right to left."""
    codes = " ".join(f"{ord(char):X}" for char in chars)
    if len(codes) <= _ONE_LINE:
        return [f'    "{plain}": "{codes}",']
    rows = [codes] if len(codes) <= _ONE_ROW else textwrap.wrap(codes, _ONE_ROW - 1)
    return [f'    "{plain}": (', *(f'        "{row} "' for row in rows[:-1]), f'        "{rows[-1]}"', "    ),"]


#: What fits into a line of 120 beside the letter, and on a row of its own.
_ONE_LINE: Final = 107
_ONE_ROW: Final = 110

_HEAD: Final = '''\
"""Letters that are drawn like a Latin letter or digit. `tests/generate_confusables.py` writes it: do not edit.

Facts from Unicode Technical Standard #39 (confusables) and from the names of Latin letters. Letters of Chinese,
Japanese and Korean are none of them; what NFKC makes a Latin letter is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BY_LETTER: Final = {
'''
_TAIL: Final = """
}

#: Each such character with the letter that it is read as, in lower case.
CONFUSABLES: Final[Mapping[str, str]] = {
    chr(int(code, 16)): letter for letter, codes in _BY_LETTER.items() for code in codes.split()
}
"""


if __name__ == "__main__":
    FILE.write_text(module(), encoding="utf-8")
