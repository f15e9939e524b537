"""What an answer repeats of a request: each text whole or not at all, and of long lists how much more there is.

So an answer is short whatever was sent. A text is never cut: half of a secret would not be known as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from stage0.core.canonical import canonical
from stage0.reading.limits import most

_ITEMS: Final = most("repeated_items")
_TEXT: Final = most("repeated_text")
#: Bytes of what stands around an item: quotation marks, a comma.
_AROUND: Final = 6

_encode: Final = msgspec.json.Encoder().encode


def size_of(value: object) -> int:
    """Bytes of a text or a plain value in JSON."""
    return len(_encode(value))


class Room:
    """How many bytes an answer may still repeat."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> bool:
        """Take so many bytes where there are as many."""
        if size > self.left:
            return False
        self.left -= size
        return True


class Repeated:
    """A value as a message shows it (`text`) and as its details hold it (`plain`); `more` are the items left out."""

    __slots__ = ("more", "plain", "text")

    def __init__(self, text: str, plain: object, more: int = 0) -> None:
        self.text = text
        self.plain = plain
        self.more = more


def repeat(value: object, times: int, room: Room) -> Repeated:
    """A value that an answer repeats so many times."""
    if isinstance(value, str):
        if len(value) <= _TEXT and room.take(times * size_of(value)):
            return Repeated(value, value)
        return _counted(len(value))
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, (tuple, list)):
        return _items(value, times, room)
    if isinstance(value, Mapping):
        size = len(canonical(value))
        fits = size <= _TEXT and room.take(times * size)
        return Repeated(str(value), value) if fits else _counted(size)
    return Repeated(f"{value:g}" if isinstance(value, float) else str(value), value)


def _counted(size: int) -> Repeated:
    text = f"({size:,} characters)"
    return Repeated(text, text)


def _items(value: Sequence[object], times: int, room: Room) -> Repeated:
    shown: list[object] = []
    for item in value[:_ITEMS]:
        length = len(item if isinstance(item, str) else str(item))
        if length > _TEXT:
            shown.append(_counted(length).plain)
        elif room.take(times * (size_of(str(item)) + _AROUND)):
            shown.append(item)
        else:
            break
    more = len(value) - len(shown)
    text = ", ".join(f"`{item}`" for item in shown)
    if more:
        text = f"{text} and {more:,} more" if shown else f"{more:,} in all"
    return Repeated(text, shown, more)


def beginning(texts: tuple[str, ...], room: Room) -> tuple[str, ...]:
    """The texts that there is room for, and after them how many more there are."""
    for at, text in enumerate(texts):
        if not room.take(size_of(text) + 1):
            return (*texts[:at], f"and {len(texts) - at:,} more")
    return texts
