"""Plans: what a key may use. One data file that an operator can replace."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from stage0.knowledge.source import PolicyError
from stage0.knowledge.yaml import convert, read

#: How `no limit` is sent to clients that parse integers.
UNLIMITED: Final = 2_147_483_647


Count = Annotated[int, msgspec.Meta(ge=0)]


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan: price in US dollars a month, checks a month, day and minute, answer fields it leaves out."""

    price: float
    per_month: Count
    per_day: Count
    per_minute: Count
    pro: bool
    omits: frozenset[str]


#: By name.
Plans = Mapping[str, Plan]


@cache
def shipped_plans() -> Plans:
    """The plans that ship."""
    return _plans_in(Path(__file__).with_name("plans.yaml"))


def read_plans(path: Path) -> Plans:
    """The plans of an operator's file, instead of those that ship. Raises PolicyError."""
    try:
        return _plans_in(path)
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from None


def _plans_in(path: Path) -> Plans:
    return MappingProxyType(convert(read(path), dict[str, Plan], path.name))
