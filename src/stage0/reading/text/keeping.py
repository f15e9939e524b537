"""Keeping what is read of short texts: they repeat from check to check. Only of pure functions, and never a verdict.

This is the one place that says what may be kept. Of a text in which masking would replace something nothing is, neither
the text nor what was read of it: as it stands, as it is drawn (in full width) or as it decodes (`gh%70_`). While such a
text is read, or a request with secrets as it was sent, nothing is kept at all: what is read then may be a piece of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Final, TypeVar, TypeVarTuple

from stage0.reading.text.datakinds import SECRETS, find_secrets
from stage0.reading.text.decoding import decodings
from stage0.reading.text.folding import FoldTable, fold, with_capitals

More = TypeVarTuple("More")
R = TypeVar("R")
T = TypeVar("T", str, tuple[str, ...])
Texts = tuple[str, ...]

_COUNT: Final = 4096
#: Encodings within encodings.
_LAYERS: Final = 3
_TABLE: Final = FoldTable({})
_KEEPING: Final[ContextVar[bool]] = ContextVar("keeping", default=True)


#: What may stand between bytes in hexadecimal, those of two-byte letters included.
_BETWEEN: Final = "(?:[ ,:-]|0x|00){0,4}"
#: The beginnings of secrets that are figures alone in hexadecimal, each after its first byte.
_FIGURES: Final = tuple(
    (code[:2], re.compile(code.replace(" ", _BETWEEN)))
    for code in [hint.encode().hex(" ") for known in SECRETS for hint in known.hints]
    if code.replace(" ", "").isdigit()
)
#: Marks of escapes, the plus of a code point (U+0064), letters beside figures, a capital after a small letter.
_ENCODED: Final = re.compile(r"[%\\&=]|[uU]\+|[A-Za-z+/_-][0-9]|[0-9][A-Za-z+/_-]|[a-z+/_-][A-Z]")


def remember(longest: int, count: int = _COUNT) -> Callable[[Callable[[str, *More], R]], Callable[[str, *More], R]]:
    """Make a function of a text, and perhaps of more, remember what it gave for the last `count` texts of up to
    `longest` characters. Longer ones hardly repeat, and would take memory."""

    def keeping(work: Callable[[str, *More], R]) -> Callable[[str, *More], R]:
        remembered = _remember(work, count, tells_secret)

        @wraps(work)
        def read(text: str, *more: *More) -> R:
            if len(text) > longest:
                return work(text, *more)
            try:
                return remembered(text, *more)
            except _NotKeptError:
                pass
            with keeping_nothing():
                return work(text, *more)

        return read

    return keeping


def remember_together(
    longest: int, count: int = _COUNT
) -> Callable[[Callable[[Texts, *More], R]], Callable[[Texts, *More], R]]:
    """The same for a function of several texts, of up to `longest` characters together."""

    def keeping(work: Callable[[Texts, *More], R]) -> Callable[[Texts, *More], R]:
        remembered = _remember(work, count, lambda texts: any(map(tells_secret, texts)))

        @wraps(work)
        def read(texts: Texts, *more: *More) -> R:
            if sum(map(len, texts)) > longest:
                return work(texts, *more)
            try:
                return remembered(texts, *more)
            except _NotKeptError:
                pass
            with keeping_nothing():
                return work(texts, *more)

        return read

    return keeping


class _NotKeptError(Exception):
    """This may not be kept."""


def _remember(work: Callable[[T, *More], R], count: int, tells: Callable[[T], bool]) -> Callable[..., R]:
    """The function with its memory; raises `_NotKeptError` for what may not be in it."""

    @lru_cache(count)
    def remembered(given: T, *more: *More) -> R:
        # Only what is not found comes here. What is raised is not kept.
        if not _KEEPING.get() or tells(given):
            raise _NotKeptError
        return work(given, *more)

    return remembered


@contextmanager
def keeping_nothing() -> Iterator[None]:
    """Within this nothing is kept, by this thread and whatever it reads."""
    before = _KEEPING.set(False)
    try:
        yield
    finally:
        _KEEPING.reset(before)


def tells_secret(text: str, layers: int = _LAYERS) -> bool:
    """Whether masking would replace something in a text, in what it looks like, or in what it decodes to."""
    if find_secrets(text):
        return True
    if not text.isascii():
        text = with_capitals(fold(text, _TABLE))
        if find_secrets(text):
            return True
    if not layers or not _may_decode(text):
        return False
    return any(tells_secret(plain, layers - 1) for plain in decodings(text))


def _may_decode(text: str) -> bool:
    """A quick look: false means that no part of a text decodes to a secret.

    Escapes have their marks. What base64 makes text of mixes letters with figures, or small letters with capitals.
    Bytes in hexadecimal that are letters alone are not ASCII; of those that are figures alone a secret would show as
    it stands, but for how it begins."""
    if _ENCODED.search(text):
        return True
    return any([first in text and hint.search(text) for first, hint in _FIGURES])
