"""A wall clock that does not follow a jump at once: windows of usage that it has opened in the future would stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Seconds by which a clock may be put right at once: more is a jump.
JUMP: Final = 2.0
#: Seconds after which a jump that stays is followed: the machine had slept, or its clock was wrong before.
_PATIENCE: Final = 60.0


class SteadyClock:
    """Unix seconds. A jump of the wall clock is followed after a minute, and only if it stays; until then time goes on
    as the monotonic clock counts it."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        #: The offset to which the wall clock has jumped, and when, by the monotonic clock.
        self._jumped: tuple[float, float] | None = None

    def __call__(self) -> float:
        """The time."""
        now = self._monotonic()
        offset = self._wall() - now
        if abs(offset - self._offset) <= JUMP:
            self._offset, self._jumped = offset, None
        elif self._jumped is None or abs(offset - self._jumped[0]) > JUMP:
            self._jumped = offset, now
        elif now - self._jumped[1] >= _PATIENCE:
            self._offset, self._jumped = offset, None
        return now + self._offset
