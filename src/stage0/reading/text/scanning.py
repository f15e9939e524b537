"""Looking for many words at once (Aho-Corasick), in pieces: whoever looks through a long text lets other threads run.

One look over a megabyte is one call that nothing interrupts, for up to 70 ms; an event loop would wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ahocorasick_rs

#: Characters that are looked at in one call.
PIECE: Final = 32_768

#: The number of a word, where it begins, and where it ends.
Match = tuple[int, int, int]


class Scanner:
    """Finds words in texts."""

    def __init__(self, words: Sequence[str]) -> None:
        self._automaton = ahocorasick_rs.AhoCorasick(list(words))
        #: Characters of the longest word.
        self.longest = max(map(len, words), default=1)

    def find(self, text: str) -> list[Match]:
        """Every place of every word, those inside of others too, in the order in which they end."""
        if len(text) <= PIECE:
            return self._automaton.find_matches_as_indexes(text, overlapping=True)
        found: list[Match] = []
        for begins in range(0, len(text), PIECE):
            start = max(0, begins - self.longest + 1)
            piece = text[start : begins + PIECE]
            for word, first, last in self._automaton.find_matches_as_indexes(piece, overlapping=True):
                if start + last > begins:  # else the piece before it has it
                    found.append((word, start + first, start + last))
        return found

    def finds(self, text: str) -> bool:
        """Whether any word stands in a text."""
        if len(text) <= PIECE:
            return bool(self._automaton.find_matches_as_indexes(text))
        starts = range(0, len(text), PIECE)
        pieces = (text[max(0, begins - self.longest + 1) : begins + PIECE] for begins in starts)
        return any(self._automaton.find_matches_as_indexes(piece) for piece in pieces)
