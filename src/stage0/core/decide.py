"""The whole decision: the same request, pack, state and clock give the same answer, byte for byte."""

from __future__ import annotations

from typing import Final

import msgspec

from stage0.core.collect import collect
from stage0.core.facts import Facts
from stage0.core.fingerprint import task_hash
from stage0.core.masking import Fingerprint, mask_request
from stage0.core.pack import Pack
from stage0.core.verdict import Decision, conclude
from stage0.reading.context import FACTS
from stage0.reading.interpret import Interpretation, Knowledge, interpret
from stage0.reading.request import ActionRequest, State
from stage0.reading.text.keeping import keeping_nothing


class Prepared(msgspec.Struct, frozen=True):
    """A request that is ready to be decided, its reading, and the same request without its secrets, for the record.

    `exact` is false where replacing secrets would have changed what the request says: then it is decided as it was
    sent, and a replay of what is stored could differ."""

    request: ActionRequest
    reading: Interpretation
    stored: ActionRequest
    exact: bool = True


def prepare(request: ActionRequest, known: Knowledge, fingerprint: Fingerprint | None) -> Prepared:
    """Read a request and replace its secrets (`fingerprint` None: it has none). Needs no state and no clock.

    What is read never has anything hidden by a placeholder: a danger inside of a would-be secret still counts."""
    safe = request if fingerprint is None else mask_request(request, fingerprint)
    if safe == request:
        return Prepared(request, interpret(request, known), request)
    with keeping_nothing():
        as_sent = interpret(request, known)
    as_stored = interpret(safe, known)
    if safe.tools == request.tools and _alike(as_sent, as_stored):
        return Prepared(safe, as_stored, safe)
    return Prepared(request, as_sent, safe, exact=False)


#: Facts that rules compare with other texts: a placeholder in one of them could compare differently.
_COMPARED: Final = tuple(fact.name for fact in FACTS if fact.name not in ("tool_arguments", "approval_reason"))


def _alike(one: Interpretation, other: Interpretation) -> bool:
    facts_alike = all(one.context.all_of(name) == other.context.all_of(name) for name in _COMPARED)
    return (
        facts_alike
        and one.effects.keys() == other.effects.keys()
        and one.environments == other.environments
        and [(c.kind, c.value) for c in one.controls] == [(c.kind, c.value) for c in other.controls]
        and (one.goal.vague, one.goal.covered, one.unread) == (other.goal.vague, other.goal.covered, other.unread)
    )


def decide(
    request: ActionRequest,
    *,
    pack: Pack,
    state: State,
    now: float,
    reading: Interpretation | None = None,
    action: str = "",
) -> Decision:
    """Decide on one proposed action. `now` is Unix seconds; `reading` and `action` (the request's `task_hash`) save
    working them out again."""
    reading = reading or interpret(request, pack.knowledge)
    action = action or task_hash(request, reading, state.caller.account)
    facts = Facts(request, reading, pack, state, now, action)
    return conclude(facts, collect(pack.rules, facts))
