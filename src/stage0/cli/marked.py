"""A text with pieces of it marked, for a terminal: lines that fit, and below each what was read where.

Texts come from agents. Whatever a terminal would obey or not show stands as its code point."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

#: Marks that are shown of one text, and characters of it that are laid out.
MARKS: Final = 16
LAID_OUT: Final = 20_000
_UNSHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ELLIPSIS: Final = "…"


class Mark(NamedTuple):
    """A piece of a text, in code points, and what to say about it."""

    start: int
    end: int
    label: str


class Row(NamedTuple):
    """A line: text of the request (`label` None), or carets below it from a column on and what they say."""

    text: str
    column: int = 0
    label: str | None = None


def shown(text: str) -> str:
    """A text as a terminal may print it."""
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char == "\t":
        return " "
    return f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSHOWN else char


class _Line(NamedTuple):
    """Code points from `start` to before `end`."""

    start: int
    end: int


def marked(text: str, marks: Sequence[Mark], width: int) -> list[Row]:
    """The lines of a text that have marks, with the marks below; all lines of a short one."""
    kept = [mark for mark in marks if mark.start < LAID_OUT][:MARKS]
    lines = list(_lines(text[:LAID_OUT], width))
    whole = [mark for mark in kept if _is_whole(mark, text) and len(lines) > _FEW]
    wanted = _wanted(lines, kept)
    rows: list[Row] = []
    before = -1
    for number in wanted:
        if number > before + 1:
            rows.append(Row(_ELLIPSIS))
        before = number
        rows.extend(_line_rows(text, lines[number], [mark for mark in kept if mark not in whole]))
    if before < len(lines) - 1 or len(text) > LAID_OUT:
        rows.append(Row(_ELLIPSIS))
    rows.extend(Row("^^^ all of it:", 0, mark.label) for mark in whole)
    if len(marks) > len(kept):
        rows.append(Row(f"{_ELLIPSIS} and {len(marks) - len(kept)} more places, which --json lists"))
    return rows


#: A mark over a whole text of more lines than this is said, not drawn.
_FEW: Final = 2


def _is_whole(mark: Mark, text: str) -> bool:
    return mark.start == 0 and mark.end >= len(text.rstrip())


def _lines(text: str, width: int) -> Iterator[_Line]:
    """Lines of at most `width` cells, broken at line breaks and, where one is near, at a space."""
    start = used = 0
    space = -1
    for at, char in enumerate(text):
        size = 0 if char == "\n" else cell_len(_shown(char))
        if used + size > width and at > start:
            end = space + 1 if space > start and at - space <= _NEAR else at
            yield _Line(start, end)
            start, space = end, -1
            used = sum(cell_len(_shown(each)) for each in text[start:at])
        used += size
        if char == " ":
            space = at
        if char == "\n":
            yield _Line(start, at + 1)
            start, used, space = at + 1, 0, -1
    if start < len(text) or not text:
        yield _Line(start, len(text))


#: How many characters a line may be shorter so that it ends with a word.
_NEAR: Final = 20
#: A text of at most so many lines is shown whole; of a longer one, the first and last lines of each mark.
_SHORT: Final = 10
_FIRST: Final = 6
_LAST: Final = 2


def _wanted(lines: Sequence[_Line], marks: Sequence[Mark]) -> list[int]:
    if not marks:
        return list(range(min(len(lines), _FEW)))
    if len(lines) <= _SHORT:
        return list(range(len(lines)))
    wanted: set[int] = set()
    for mark in marks:
        touched = [number for number, line in enumerate(lines) if _touches(line, mark)]
        wanted.update(touched[:_FIRST], touched[-_LAST:])
    return sorted(wanted)


def _touches(line: _Line, mark: Mark) -> bool:
    return mark.start < line.end and mark.end > line.start


def _line_rows(text: str, line: _Line, marks: Sequence[Mark]) -> Iterator[Row]:
    piece = text[line.start : line.end].rstrip("\n")
    yield Row(shown(piece).rstrip())
    for mark in marks:
        if _touches(line, mark):
            start = max(mark.start - line.start, 0)
            inside = piece[start : mark.end - line.start].rstrip()
            carets = "^" * max(cell_len(shown(inside)), 1)
            # A mark that goes on below says what it is where it ends.
            yield Row(carets, cell_len(shown(piece[:start])), mark.label if mark.end <= line.end else "")
