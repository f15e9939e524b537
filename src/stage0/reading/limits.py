"""Every limit of what a request may hold and what an answer may repeat of it, in one table. Docs and tests read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Limit(NamedTuple):
    """At most so many of a unit, of what, and what becomes of more."""

    most: int
    unit: str
    of: str
    over: str


_REFUSED: Final = "422"
LIMITS: Final[Mapping[str, Limit]] = {
    "body": Limit(1_000_000, "bytes", "a request's body", "413"),
    "nesting": Limit(32, "levels", "objects and lists in one another", _REFUSED),
    "values": Limit(50_000, "values", "all of a body together: a comma, a `[` or a `{` begins one", _REFUSED),
    "number": Limit(200, "characters", "a number", _REFUSED),
    "key": Limit(256, "characters", "a key of an object", _REFUSED),
    "goal": Limit(8_000, "characters", "`goal`, after trimming", _REFUSED),
    "list": Limit(200, "items", "`success_criteria`, `constraints`, `tools`, `side_effects`", _REFUSED),
    "item": Limit(2_000, "characters", "an item of one of these", _REFUSED),
    "policy_pack_version": Limit(200, "characters", "`policy_pack_version`", _REFUSED),
    "context_list": Limit(1_000, "items", "a list of the context that a rule reads", _REFUSED),
    "context_item": Limit(2_000, "characters", "an item of such a list, or a text in its place", _REFUSED),
    "context_text": Limit(
        8_000, "characters", "a text of the context that is understood, but for the call's description", _REFUSED
    ),
    "idempotency_key": Limit(255, "characters", "the header `Idempotency-Key`", _REFUSED),
    "outcome_detail": Limit(4_000, "characters", "`detail` of an outcome", _REFUSED),
    "repeated_items": Limit(20, "items", "a list that an issue repeats", "the others are counted"),
    "repeated_text": Limit(2_000, "characters", "a text that an issue repeats", "its length stands in its place"),
    "repeated_in_issues": Limit(
        32_000, "bytes", "what the issues of an answer repeat of its request, the worst first", "counted"
    ),
    "repeated_controls": Limit(
        6_000, "bytes", "`constraints_applied`, and the controls of `guardrail_checks`", "`and 3 more` ends the list"
    ),
    "answer": Limit(65_536, "bytes", "an answer to a check", "does not happen"),
}


def most(name: str) -> int:
    """The limit of that name."""
    return LIMITS[name].most
