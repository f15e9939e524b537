"""How much a call's arguments name: long lists, missing limits, empty filters, wildcards."""

from __future__ import annotations

from typing import Final

#: More records than this in one call are many.
MANY: Final = 20

_EVERYTHING: Final = frozenset(
    {
        "*",
        "**",
        "%",
        "all",
        "any",
        "everyone",
        "everything",
        "everybody",
        "_all",
        ".*",
        "全部",
        "所有",
        "すべて",
        "全員",
    }
)


def length(value: object) -> int:
    """How many records a list names; 0 where it is none (a vector of numbers with fractions, a list of lists)."""
    if not isinstance(value, list) or not value:
        return 0
    first = value[0]
    return 0 if isinstance(first, (float, list, bool)) or first is None else len(value)


def is_unlimited(value: object) -> bool:
    """Whether a limit is none: null, 0, less than 0, or a word for it."""
    if value is None:
        return True
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return value <= 0
    return isinstance(value, str) and value.strip().lower() in (
        "none",
        "null",
        "unlimited",
        "all",
        "-1",
        "0",
        "infinity",
    )


def is_empty_filter(value: object) -> bool:
    """Whether a filter lets everything through: `{}`, `[]`, `match_all`, an empty text."""
    if isinstance(value, dict):
        return not value or set(value) == {"match_all"}
    return value == [] or (isinstance(value, str) and value.strip() in ("", "{}", "*", "*:*", "1=1", "true"))


def is_everything(value: object) -> bool:
    """Whether a value stands for all there is: `*`, `all`."""
    if isinstance(value, list):
        return any(isinstance(item, str) and item.strip().lower() in ("*", "**", "_all") for item in value[:MANY])
    return isinstance(value, str) and len(value) <= 12 and value.strip().lower() in _EVERYTHING
