"""Keeping what is read of short texts: they repeat from check to check. Only of pure functions, and never a verdict."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar, TypeVarTuple

More = TypeVarTuple("More")
R = TypeVar("R")

_COUNT: Final = 4096


def kept(longest: int, count: int = _COUNT) -> Callable[[Callable[[str, *More], R]], Callable[[str, *More], R]]:
    """Make a function of a text, and perhaps of more, remember what it gave for the last `count` texts of up to
    `longest` characters. Longer ones hardly repeat, and would take memory."""

    def keeping(work: Callable[[str, *More], R]) -> Callable[[str, *More], R]:
        remembered = lru_cache(count)(work)

        @wraps(work)
        def read(text: str, *more: *More) -> R:
            return (remembered if len(text) <= longest else work)(text, *more)

        return read

    return keeping
