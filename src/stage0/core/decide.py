"""The whole decision: the same request, pack, state and clock give the same answer, byte for byte."""

from __future__ import annotations

from stage0.core.facts import Facts
from stage0.core.fingerprint import task_hash
from stage0.core.interpret import Interpretation, interpret
from stage0.core.pack import Pack
from stage0.core.request import ActionRequest, State
from stage0.core.rule import collect
from stage0.core.verdict import Decision, conclude


def decide(
    request: ActionRequest,
    *,
    pack: Pack,
    state: State,
    now: float,
    reading: Interpretation | None = None,
) -> Decision:
    """Decide on one proposed action. `now` is Unix seconds; `reading` saves interpreting the request again."""
    reading = reading or interpret(request, pack.knowledge)
    facts = Facts(request, reading, pack, state, now)
    findings = collect(pack.rules, facts)
    return conclude(facts, findings, task_hash(request, reading, state.caller.account))
