"""Constraints that could not be turned into a control."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


@rule(
    "CONSTRAINT_NOT_ENFORCED",
    family="constraint",
    severity="LOW",
    when=("unknown",),
    message="Not understood, and so not enforced here: {constraints}.",
    question="What do these constraints mean?",
    remedy="Use a constraint of the grammar (`GET /stage0/design`), or enforce it in your runtime.",
)
def constraint_not_enforced(facts: Facts) -> Fired | None:
    """A constraint was not understood.

    Why: a constraint is never dropped in silence.

    Fix: use the grammar of `GET /stage0/design`, or enforce it yourself.
    """
    unknown = facts.controls.get("unknown")
    return Fired({"constraints": tuple(control.text for control in unknown)}) if unknown else None


@rule(
    "CONSTRAINT_VALUE_INVALID",
    family="constraint",
    severity="MEDIUM",
    when=("invalid",),
    message="The value cannot be read: {constraints}.",
    question="Which value is meant?",
    remedy="Give a value of the kind that the constraint takes.",
)
def constraint_value_invalid(facts: Facts) -> Fired | None:
    """A known constraint has a value that cannot be read.

    Why: a limit that cannot be read limits nothing, and somebody relies on it.

    Fix: give a number, a duration such as `300s`, or names, as the constraint takes.
    """
    invalid = facts.controls.get("invalid")
    return Fired({"constraints": tuple(control.text for control in invalid)}) if invalid else None
