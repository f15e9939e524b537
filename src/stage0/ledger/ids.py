"""Identifiers that sort by time: 48 bits of milliseconds and 80 random ones, in Crockford's base 32."""

from __future__ import annotations

import os
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]


class _Randomness:
    """Eighty random bits at a time from the operating system, asked for in larger pieces: a call costs as much as
    the rest of an id. A fork would share a piece, so a child begins its own."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._pieces: list[bytes] = []

    def bits(self) -> int:
        try:
            piece = self._pieces.pop()
        except IndexError:
            pool = os.urandom(_PIECE * 256)
            self._pieces = [pool[at : at + _PIECE] for at in range(_PIECE, len(pool), _PIECE)]
            piece = pool[:_PIECE]
        return int.from_bytes(piece, "big")


_PIECE: Final = 10
_random: Final = _Randomness()


def new_id(prefix: str, now: float) -> str:
    """A new id, such as `req_01hq...`; `now` is Unix seconds. Later ids sort after earlier ones."""
    return _spell(prefix, (int(now * 1000) & ((1 << 48) - 1)) << 82 | _random.bits() << 2)


def first_id(prefix: str, at: float) -> str:
    """The smallest id of a moment in Unix seconds: ids that were made before it sort below, the others do not."""
    return _spell(prefix, (int(at * 1000) & ((1 << 48) - 1)) << 82)


def _spell(prefix: str, number: int) -> str:
    # 130 bits are thirteen pairs of five-bit digits.
    pairs = [_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def time_of(identifier: str) -> float:
    """Unix seconds at which an id was made. Raises ValueError where it is none."""
    digits = identifier.rpartition("_")[2]
    if len(digits) != 26:
        raise ValueError(f"`{identifier}` is no id")
    number = 0
    for digit in digits:
        number = number << 5 | _ALPHABET.index(digit)
    return (number >> 82) / 1000
