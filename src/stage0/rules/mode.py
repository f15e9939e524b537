"""Modes: what the runtime promises to honour, and actions that cannot fit in it."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule
from stage0.reading.effects import EXTERNAL, HARMLESS, MARKS


@rule(
    "READ_ONLY_VIOLATED",
    family="mode",
    severity="HIGH",
    when=("read_only",),
    message="The constraint `{constraint}` allows only reading; the action would also {effects}.",
    remedy="Take the constraint away, or the part that changes something.",
)
def read_only_violated(facts: Facts) -> Fired | None:
    """A read-only action would change something.

    Why: either the constraint or the action is not what somebody thinks it is.

    Fix: propose the change as an action of its own.
    """
    control = facts.control("read_only")
    effects = facts.effects.keys() - HARMLESS - MARKS
    if control is None or not effects:
        return None
    return Fired({"constraint": control.text, "effects": tuple(sorted(effects))})


@rule(
    "EXTERNAL_EFFECTS_VIOLATED",
    family="mode",
    severity="HIGH",
    when=("no_external_effects",),
    message="The constraint `{constraint}` allows nothing to leave; the action would {effects}.",
    remedy="Take the constraint away, or the part that leaves your systems.",
)
def external_effects_violated(facts: Facts) -> Fired | None:
    """An action without external side effects would send, publish, export or pay.

    Why: either the constraint or the action is not what somebody thinks it is.

    Fix: propose what leaves your systems as an action of its own.
    """
    control = facts.control("no_external_effects")
    effects = facts.effects.keys() & EXTERNAL
    if control is None or not effects:
        return None
    return Fired({"constraint": control.text, "effects": tuple(sorted(effects))})
