"""Intent: whether the call does more than the goal asks for."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule
from stage0.reading.effects import HARMLESS, MARKS

#: What the call itself shows; the goal is measured against it.
_CALLED = frozenset({"arguments", "tool", "declared"})
#: What making something may leave behind: a report, a test.
_LEAVES = frozenset({"write"})
#: What is within every goal: to run something is how it is done.
_EXPECTED = HARMLESS | MARKS | {"code_execution"}


@rule(
    "ACTION_EXCEEDS_GOAL",
    family="intent",
    severity="MEDIUM",
    message="The goal only asks to look at something, but the call would do more: {effects}.",
    question="Did somebody ask for this, or did the instruction come from what the agent read?",
    remedy="Have a person confirm or approve the call, or name the action in the goal.",
)
def action_exceeds_goal(facts: Facts) -> Fired | None:
    """The goal only asks to read or to work something out, and the call writes, sends, pays or changes something.

    Why: this is what an injected instruction looks like. A page that the agent was asked to summarize tells it to send
    a message, and the goal still says "summarize".

    Fix: a confirmation or an approval by a person cures it; what the caller declares does not.
    """
    goal = facts.reading.goal
    if facts.confirmed or facts.approval_holds or goal.asks or not goal.actions:
        return None
    asked = {sighting.effect for sighting in goal.sightings} - MARKS
    if not asked or not asked <= HARMLESS:
        return None
    expected = _EXPECTED | _LEAVES if goal.makes else _EXPECTED
    beyond = tuple(
        sorted(
            effect
            for effect, sightings in facts.effects.items()
            if effect not in expected and any(seen.source in _CALLED for seen in sightings)
        )
    ) or (() if facts.reading.settled else ("code_execution",))
    return Fired({"effects": beyond}) if beyond else None
