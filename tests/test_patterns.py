"""Regular expressions mean the same on every Python that is supported."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

import pytest

import stage0.core
import stage0.knowledge
import stage0.policy
import stage0.reading
import stage0.rules
from tests.asserting import nonempty

#: The rooms that read and decide.
_ROOMS: Final = (stage0.reading, stage0.core, stage0.rules, stage0.knowledge, stage0.policy)
_ONE_CHARACTER: Final = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY}


def _patterns() -> dict[str, re.Pattern[str]]:
    modules = [
        importlib.import_module(found.name)
        for room in _ROOMS
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    ]
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str)
    }


def _possessive(parsed: Any) -> Iterator[Any]:
    """Every item in a pattern that is repeated possessively."""
    if isinstance(parsed, tuple) and len(parsed) == 2 and parsed[0] is _constants.POSSESSIVE_REPEAT:
        yield parsed[1][2]
    if isinstance(parsed, (tuple, list, _parser.SubPattern)):
        for part in parsed:
            yield from _possessive(part)


def _groups_repeated(pattern: str, flags: int) -> list[Any]:
    items = _possessive(_parser.parse(pattern, flags & ~re.UNICODE))
    return [item for item in items if len(item) != 1 or item[0][0] not in _ONE_CHARACTER]


PATTERNS: Final = _patterns()


def test_there_are_patterns() -> None:
    assert len(nonempty(PATTERNS)) > 200


@pytest.mark.parametrize(("name", "pattern"), PATTERNS.items(), ids=str)
def test_only_single_characters_are_repeated_possessively(name: str, pattern: re.Pattern[str]) -> None:
    # Up to Python 3.11.4 a group repeated so matches wrongly (python/cpython#106052); `(?>(?:...)*)` does not.
    assert not _groups_repeated(pattern.pattern, pattern.flags), name


def test_a_group_that_is_repeated_possessively_is_found() -> None:
    assert _groups_repeated(r"a(?:b|(?:cd?)*+)", 0)
    assert not _groups_repeated(r"(?>(?:cd?)*)[ab]*+\s++", 0)
