"""Plans: what a key may use. One data file that an operator can replace."""

from __future__ import annotations

from typing import Final

import msgspec

from stage0.policy.yaml import HERE, convert, read

#: How `no limit` is sent to clients that parse integers.
UNLIMITED: Final = 2_147_483_647


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan: price in US dollars a month, checks a month, day and minute, answer fields it leaves out."""

    price: float
    per_month: int
    per_day: int
    per_minute: int
    pro: bool
    omits: frozenset[str]


PLANS: Final[dict[str, Plan]] = convert(read(HERE / "plans.yaml"), dict[str, Plan], "plans.yaml")
