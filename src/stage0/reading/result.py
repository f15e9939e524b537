"""What reading one argument gives."""

from __future__ import annotations

from typing import Final

import msgspec

from stage0.reading.effects import Effect

#: Longer text than this is said to be unread rather than cut (in characters).
TEXT_LIMIT: Final = 65_536


def word_set(text: str) -> frozenset[str]:
    """A table of words, written as one text."""
    return frozenset(text.split())


class Seen(msgspec.Struct, frozen=True, gc=False):
    """An effect found in an argument's text: what, and the range that says so."""

    effect: Effect
    start: int
    end: int


class Ran(msgspec.Struct, frozen=True, gc=False):
    """A command of a line: its words, and where it stands. A redirection into a file is the command `>`."""

    words: tuple[str, ...]
    start: int
    end: int


class ArgumentReading(msgspec.Struct, frozen=True):
    """The effects of one argument. `read` is false where a parser could not make sense of it, `settled` where what it
    does rests on something that nobody has read, such as the script that a line runs. `ran` are the commands of a
    line, `files` those that it runs and nobody has read here."""

    seen: tuple[Seen, ...]
    read: bool = True
    settled: bool = True
    ran: tuple[Ran, ...] = ()
    files: tuple[str, ...] = ()


def whole(text: str, *effects: Effect) -> ArgumentReading:
    """Effects that the whole text stands for."""
    return ArgumentReading(tuple(Seen(effect, 0, len(text)) for effect in effects))


UNREAD: Final = ArgumentReading((), read=False)
