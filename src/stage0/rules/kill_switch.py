"""The kill switch: an account, a key or an agent that a person has stopped."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.rule import Fired, rule


@rule(
    "KILL_SWITCH",
    family="kill_switch",
    severity="HIGH",
    message="This {what} has been stopped.",
    remedy="Do nothing further. A person who may resume it decides when it goes on.",
)
def kill_switch(facts: Facts) -> Fired | None:
    """A person has stopped the account, the key or the agent.

    No pack can turn this off, and an observe-only key is stopped too.

    Why: when something goes wrong, it has to stop at once, whatever else would have been allowed.

    Fix: find out why it was stopped; `stage0 resume` lets it go on.
    """
    return Fired({"what": facts.stopped}) if facts.stopped else None
