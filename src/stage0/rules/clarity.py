"""Clarity: whether it can be told what would be done, and what for."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


@rule(
    "UNCLEAR_VALUE_SIGNAL",
    family="clarity",
    severity="MEDIUM",
    message="The goal does not say what would come out of it.",
    question="What result should this produce, and for whom?",
    remedy="Say what is done to what, and what the result is.",
)
def unclear_value_signal(facts: Facts) -> Fired | None:
    """The goal is too vague to be worth running.

    Why: vague tasks wander, cost money and touch what nobody meant.

    Fix: name the action, its object and its result.
    """
    return Fired() if facts.reading.goal.vague and not facts.reading.conclusive else None


@rule(
    "INSUFFICIENT_CONTEXT",
    family="clarity",
    severity="MEDIUM",
    message="Nothing says what would be done: no tools, no side effects, and a goal that names no action.",
    question="Which tools would be used, and what would they change?",
    remedy="Send `tools`, `side_effects` and a goal that names the action.",
)
def insufficient_context(facts: Facts) -> Fired | None:
    """The request does not say what would be done.

    Why: what cannot be told apart from a danger is treated as one.

    Fix: send the tools, the side effects and a goal that names the action.
    """
    return Fired() if not facts.effects and not facts.request.tools else None


@rule(
    "ACTION_NOT_UNDERSTOOD",
    family="clarity",
    severity="MEDIUM",
    message="It could not be understood what {what} would do.",
    question="What exactly would this do?",
    remedy="Send arguments that can be read, describe the tool (`tool_description`), or have a person approve this.",
)
def action_not_understood(facts: Facts) -> Fired | None:
    """A tool, an argument or a declared effect says nothing that could be understood.

    Why: unknown means stop.

    Fix: send arguments whole and readable, describe the tool, or have a person approve exactly this: whoever approves
    it has looked at it.
    """
    seen = facts.effects.get("unknown")
    if not seen or facts.approval_holds:
        return None
    what = tuple(dict.fromkeys(sighting.span.text or sighting.span.path for sighting in seen))
    return Fired({"what": what, "effects": ("unknown",)})


@rule(
    "GOAL_LANGUAGE_NOT_COVERED",
    family="clarity",
    severity="MEDIUM",
    message="The goal is in a language that is not understood here.",
    question="What does the goal say in English, Chinese or Japanese?",
    remedy="Send the goal in English, Chinese or Japanese.",
)
def goal_language_not_covered(facts: Facts) -> Fired | None:
    """The goal is in a language that the lexicon does not cover, and the call does not speak for itself.

    Why: what cannot be read cannot be judged.

    Fix: send the goal in English, Chinese or Japanese, or the call's whole arguments.
    """
    return None if facts.reading.goal.covered or facts.reading.conclusive else Fired()


@rule(
    "HIDDEN_TEXT",
    family="clarity",
    severity="MEDIUM",
    message="The request holds characters that people cannot see: {characters}.",
    question="Who put invisible characters into the request?",
    remedy="Remove zero-width, bidirectional and tag characters.",
)
def hidden_text(facts: Facts) -> Fired | None:
    """Zero-width, bidirectional or tag characters stand in the request.

    Why: text that people do not see but programs do is how instructions are smuggled. Emoji joiners are exempt.

    Fix: remove them.
    """
    hidden = facts.reading.hidden
    if not hidden:
        return None
    return Fired({"characters": tuple(dict.fromkeys(span.text for span in hidden)), "path": hidden[0].path})


@rule(
    "MISSING_SUCCESS_CRITERIA",
    family="clarity",
    severity="LOW",
    message="There are no success criteria.",
    question="How will you know that the task is done?",
    remedy="Send `success_criteria`.",
)
def missing_success_criteria(facts: Facts) -> Fired | None:
    """No success criteria were given.

    Why: an agent that does not know when it is done goes on.

    Fix: send `success_criteria`.
    """
    return None if any(text.strip() for text in facts.request.success_criteria) else Fired()
