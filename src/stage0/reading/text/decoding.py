"""Text that is written in an encoding: base64, hexadecimal, and escapes of URLs, programs, HTML and mail.

Only how it would be decoded; whether it matters is for who reads it. Everything is linear in the length.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class Piece(NamedTuple):
    """A part of a text, and what it decodes to."""

    start: int
    end: int
    plain: str


def decodings(text: str) -> Iterator[str]:
    """A text with what is encoded in it decoded, once for each encoding that is used."""
    for pieces in (base64_pieces, hex_pieces, escaped_pieces):
        parts: list[str] = []
        at = 0
        for piece in pieces(text):
            parts += (text[at : piece.start], piece.plain)
            at = piece.end
        if parts:
            yield "".join((*parts, text[at:]))


#: Not text; one of these now and then does not make a text binary, or it would hide one.
_NO_TEXT: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufffd]")
_NOW_AND_THEN: Final = 8


def _as_text(data: bytes) -> str:
    """Decoded bytes as text; empty where they are none. Windows encodes commands in UTF-16."""
    try:
        text = data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-8")
    except UnicodeDecodeError:
        return ""
    if not _NO_TEXT.search(text):
        return text
    shown = _NO_TEXT.sub("", text)
    return shown if (len(text) - len(shown)) * _NOW_AND_THEN <= len(text) else ""


# -- base64 and base64url (RFC 4648); data URLs (RFC 2397) hold it behind a comma

_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{6,}+={0,2}")
_BASE64_PART: Final = re.compile(r"[A-Za-z0-9]{6,}+={0,2}")
#: Words and names in one case are left alone, and so are numbers: figures alone never give Latin text.
_MIXED: Final = re.compile("[a-z][A-Z]|[0-9]")
_LETTER: Final = re.compile("[A-Za-z]")
_URL_SAFE: Final = str.maketrans("-_", "+/", "=")


def base64_pieces(text: str) -> Iterator[Piece]:
    """Runs that base64 makes text of. What stands behind a path or a name is tried by itself as well."""
    for run in _BASE64.finditer(text):
        if not _MIXED.search(run[0]) or not _LETTER.search(run[0]):
            continue
        plain = _from_base64(run[0])
        if plain:
            yield Piece(run.start(), run.end(), plain)
            continue
        for part in _BASE64_PART.finditer(text, *run.span()):
            plain = _from_base64(part[0]) if _MIXED.search(part[0]) and _LETTER.search(part[0]) else ""
            if plain:
                yield Piece(part.start(), part.end(), plain)


def _from_base64(run: str) -> str:
    body = run.translate(_URL_SAFE)
    if len(body) % 4 == 1:
        return ""
    try:
        return _as_text(binascii.a2b_base64(body + "=" * (-len(body) % 4)))
    except binascii.Error:
        return ""


# -- hexadecimal: `64656c657465`, `0x64 0x65`, `64:65:6c`

_HEX: Final = re.compile(
    r"(?<![0-9a-z])(?>(?:0x|\$)?)[0-9a-f]{2}(?>(?:(?>(?:, ?|[ :-])?)(?>(?:0x)?)[0-9a-f]{2}){2,})(?![0-9a-z])",
    re.IGNORECASE,
)
_HEX_NOISE: Final = re.compile(r"0x|[^0-9a-f]", re.IGNORECASE)


#: Of decimal figures alone a run is a number first: a date, an amount, a telephone number, a list of them.
_NUMBER: Final = re.compile(r"[$0-9, :-]+")
#: What stands beside the figures of a fraction, or of a number with separators.
_POINT_BEFORE: Final = re.compile(r"(?:[0-9],|(?:\A|[^a-z])\.)\Z", re.IGNORECASE)
_POINT_AFTER: Final = re.compile(r"[.,][0-9]")
#: A word of so many letters, in one case, is spelled on purpose; shorter and mixed ones come about by chance.
_SPELLED: Final = re.compile(r"(?<![A-Za-z])(?:[A-Za-z][a-z]{3}|[A-Z]{4})")
#: Bytes in decimal figures that are letters begin with one of these: a word has four.
_MAY_SPELL: Final = re.compile(r"(?:[4-7][^4-7]*){4}")


def hex_pieces(text: str) -> Iterator[Piece]:
    """Runs of hexadecimal bytes that are text."""
    for run in _HEX.finditer(text):
        if run[0].isdigit() and not _MAY_SPELL.search(run[0]):
            continue
        plain = _as_text(bytes.fromhex(_HEX_NOISE.sub("", run[0])))
        if plain and not (_NUMBER.fullmatch(run[0]) and _is_a_number(text, run.start(), run.end(), plain)):
            yield Piece(run.start(), run.end(), plain)


def _is_a_number(text: str, start: int, end: int, plain: str) -> bool:
    """Whether decimal figures are a number, and what they would decode to chance: in a fraction, or no words."""
    if _POINT_BEFORE.search(text[max(0, start - 2) : start]) or _POINT_AFTER.match(text, end):
        return True
    return not (plain.isascii() and plain.isprintable() and _SPELLED.search(plain))


# -- escapes: percent (RFC 3986), programs (\x64, \u0064, \144), HTML (&#100;), quoted-printable (RFC 2045), U+0064

_ESCAPE: Final = re.compile(
    r"(?P<percent>(?>(?:%[0-9a-f]{2})+))"
    r"|(?P<bytes>(?>(?:\\x[0-9a-f]{2})+))"
    r"|\\u0000(?P<long>[0-9a-f]{4})"
    r"|\\u\{(?P<braced>[0-9a-f]{1,6})\}"
    r"|\\u(?P<short>[0-9a-f]{4})"
    r"|u\+(?P<point>[0-9a-f]{4,6})(?![0-9a-z])"
    r"|\\(?P<octal>[01][0-7]{2})"
    r"|(?P<html>&(?:\#x?[0-9a-f]{1,7};?|[a-z]{2,31};))"
    r"|(?P<quoted>(?>(?:=[0-9a-f]{2}){2,}))"
    r"|(?P<folded>=\r?\n)",
    re.IGNORECASE,
)
_ESCAPE_SIGN: Final = re.compile(r"[%=]|\\x", re.IGNORECASE)
_TOKEN: Final = re.compile(r"(?>(?:=\r?\n|\S)+)")
#: A quick look: no text without one of these holds an escape.
_MARKS: Final = ("%", "\\", "&", "=", "u+", "U+")


def escaped_pieces(text: str) -> Iterator[Piece]:
    """Words that hold an escape, neighbours together, with their escapes decoded."""
    if not any(mark in text for mark in _MARKS) or not _ESCAPE.search(text):
        return
    start = end = -1
    for token in _TOKEN.finditer(text):
        if _ESCAPE.search(text, *token.span()):
            start = token.start() if start < 0 else start
            end = token.end()
        elif start >= 0:
            yield Piece(start, end, _unescape(text[start:end]))
            start = -1
    if start >= 0:
        yield Piece(start, end, _unescape(text[start:end]))


def _unescape(text: str) -> str:
    return _NO_TEXT.sub("", _ESCAPE.sub(_character, text))


def _character(escape: re.Match[str]) -> str:
    kind = str(escape.lastgroup)
    value = escape[kind]
    if kind in ("percent", "bytes", "quoted"):
        try:
            return bytes.fromhex(_ESCAPE_SIGN.sub("", value)).decode()
        except UnicodeDecodeError:
            return escape[0]
    if kind == "html":
        return html.unescape(value)
    if kind == "folded":
        return ""
    code = int(value, 8 if kind == "octal" else 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"
