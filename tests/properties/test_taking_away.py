"""Taking evidence away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stage0.core.verdict import Decision
from stage0.reading.request import Caller, RunState
from tests.deciding import codes
from tests.properties.promises import APPROVAL, not_raised, told
from tests.strategies import (
    CONTROLS,
    HOUR,
    Asked,
    Situation,
    at,
    situations,
)

#: A fact whose value is beyond doubt favourable, as far as it can be told by itself.
_GOOD: Final[Mapping[str, Any]] = {
    "approval_status": lambda value: value == "approved",
    "approved": lambda value: value is True,
    "approved_by": lambda value: value in ("mei.chen", "dana", "mei.chen, dana"),
    "confirmed": lambda value: value is True,
    "dry_run_completed": lambda value: value is True,
    "mfa_verified": lambda value: value is True,
    "rollback_plan": lambda value: value is True,
    "runbook": lambda value: value == "wiki/restart",
    "ticket_id": lambda value: value == "CHG-1042",
    "environment": lambda value: value in ("staging", "dev", "test"),
    "approved_at": lambda value: value == at(-HOUR),
}
#: A fact that is favourable where it does not bring about one of these.
_FITS: Final[Mapping[str, frozenset[str]]] = {
    "approved_at": frozenset({"APPROVAL_TIMESTAMP_IN_FUTURE", "APPROVAL_EXPIRED"}),
    "actor_role": frozenset({"ROLE_NOT_AUTHORIZED"}),
    "environment": frozenset({"ENVIRONMENT_NOT_ALLOWED"}),
    "current_iteration": frozenset({"MAX_ITERATIONS_EXCEEDED"}),
    "elapsed_seconds": frozenset({"TIMEOUT_EXCEEDED"}),
    "cumulative_cost_usd": frozenset({"COST_LIMIT_EXCEEDED"}),
    "estimated_rows_affected": frozenset({"ROWS_AFFECTED_LIMIT_EXCEEDED"}),
    "estimated_records": frozenset({"RECORDS_LIMIT_EXCEEDED"}),
    "estimated_query_cost": frozenset({"QUERY_COST_LIMIT_EXCEEDED"}),
    "target_resources": frozenset({"RESOURCE_SCOPE_VIOLATION"}),
    "active_mcp_servers": frozenset({"MCP_SERVER_NOT_ALLOWED"}),
    "request_channel": frozenset({"CHANNEL_NOT_ALLOWED"}),
    "tenant_id": frozenset({"TENANT_ISOLATION_VIOLATION"}),
    "target_tenants": frozenset({"TENANT_ISOLATION_VIOLATION"}),
}


def _favourable(case: Situation, before: Decision, fact: str) -> bool:
    values = case.given(fact)
    if fact in APPROVAL and case.pack == "stage0-strict":
        return False  # it does not count there
    if not values or codes(before) & {"CONTEXT_CONFLICT", "CONTEXT_VALUE_INVALID"}:
        return False
    if fact in _GOOD and not all(map(_GOOD[fact], values)):
        return False
    return fact in {*_GOOD, *_FITS} and not codes(before) & _FITS.get(fact, frozenset())


@given(situations(), st.data())
def test_taking_favourable_evidence_away_never_raises_the_verdict_nor_lowers_the_risk(
    case: Situation, data: st.DataObject
) -> None:
    before = case.decide()
    good = [fact for fact in case.known_facts() if _favourable(case, before, fact)]
    assume(good)
    fact = data.draw(st.sampled_from(good))
    after = case.leaving_out(fact).decide()
    not_raised(before, after)
    assert after.risk_score >= before.risk_score, f"{fact}: {told(before)} became {told(after)}"


#: Evidence and the facts that carry it, each under all of its names: what the constraints of each family need. An
#: approval is one piece of evidence, with who gave it and when.
EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = {
    "approval": APPROVAL,
    "role": ("actor_role",),
    "environment": ("environment",),
    "confirmation": ("confirmed",),
    "dry run": ("dry_run_completed",),
    "rows": ("estimated_rows_affected",),
    "records": ("estimated_records",),
    "query cost": ("estimated_query_cost",),
    "mfa": ("mfa_verified",),
    "rollback": ("rollback_plan",),
    "runbook": ("runbook",),
    "ticket": ("ticket_id",),
    "iterations": ("current_iteration",),
    "time": ("elapsed_seconds",),
    "cost": ("cumulative_cost_usd",),
    "targets": ("target_resources",),
    "servers": ("active_mcp_servers",),
    "channel": ("request_channel",),
    "tenant": ("tenant_id",),
    "tenants": ("target_tenants",),
}
_CONDITIONAL: Final = ("actions", "channels", "payments", "review required")


def _concerned(name: str) -> list[Asked]:
    """The constraints that always need a piece of evidence."""
    facts = set(EVIDENCE[name])
    return [
        control
        for control in CONTROLS
        if any(facts & set(sent) for sent in (control.good, *control.bad))
        and not control.text.endswith(_CONDITIONAL)
        and control.text != "sandbox"
    ]


def _made_up_for(name: str, case: Situation) -> bool:
    """Whether something else stands in for what is left out."""
    if name == "environment":
        if case.caller.environments or "staging-only" in case.fields["constraints"]:
            return True
        # Stated: confirmed with a completed dry run, the default pack does without the environment.
        rehearsed = case.given("confirmed") == [True] and case.given("dry_run_completed") == [True]
        return case.pack == "stage0-default" and rehearsed
    if name == "role":
        return bool(case.caller.roles)
    return name in ("iterations", "time", "cost") and case.run is not None


@pytest.mark.parametrize("name", EVIDENCE)
@given(case=situations(), data=st.data())
def test_taking_evidence_away_never_gives_an_allow(name: str, case: Situation, data: st.DataObject) -> None:
    control = data.draw(st.sampled_from(_concerned(name)))
    case = case.adding("constraints", control.text)
    case = case.saying(data.draw(st.sampled_from((control.good, *control.bad))))
    before, after = case.decide(), case.leaving_out(*EVIDENCE[name]).decide()
    allowed = after.verdict == "ALLOW" and before.verdict != "ALLOW"
    assert not allowed or _made_up_for(name, case), f"{told(before)} became {told(after)}"


_COUNTED: Final = RunState(allows=1)
_BOUND: Final = Caller("acc_test", roles=("admin",))
#: Where leaving a fact out gives an ALLOW all the same, since another sentence of the design says so.
_LEFT_OUT: Final[Mapping[str, tuple[Situation, str]]] = {
    "an environment is not needed under staging-only": (
        Situation({"constraints": ["staging-only"], "context": {"environment": "production"}}),
        "environment",
    ),
    "the server's own count makes up for a counter": (
        Situation({"constraints": ["max_iterations:5"], "context": {"current_iteration": 6}}, run=_COUNTED),
        "current_iteration",
    ),
    "the key's own role makes up for a claimed one": (
        Situation({"constraints": ["role:admin"], "context": {"actor_role": "intern"}}, caller=_BOUND),
        "actor_role",
    ),
    "an asserted time may only close a window": (
        Situation({"constraints": ["business-hours only"], "context": {"current_time": at(12 * HOUR)}}),
        "current_time",
    ),
    "an asserted zone may only close a window": (
        Situation({"constraints": ["business-hours only"], "context": {"timezone": "Asia/Tokyo"}}),
        "timezone",
    ),
    "no tools so far are no loop": (Situation({"context": {"recent_tools": ["a", "a", "a"]}}), "recent_tools"),
    "a scope in the context asks for no targets": (
        Situation({"context": {"resource_scope": "repo/a", "target_resources": ["repo/b"]}}),
        "target_resources",
    ),
    "the default pack accepts an approval that names nobody": (
        Situation(
            {
                "constraints": ["approval required"],
                "context": {"approval_status": "approved", "approved_by": "lee", "requested_by": "lee"},
            }
        ),
        "approved_by",
    ),
}


@pytest.mark.parametrize("name", _LEFT_OUT)
def test_what_else_may_be_left_out_follows_from_another_sentence_of_the_design(name: str) -> None:
    case, fact = _LEFT_OUT[name]
    case = case.sending(goal=case.fields.get("goal", "List the open tickets"))
    assert case.decide().verdict != "ALLOW"
    assert case.leaving_out(fact).decide().verdict == "ALLOW"


_STAYS: Final[Mapping[str, tuple[Situation, str]]] = {
    "a tool under allowed_tools": (
        Situation({"constraints": ["allowed_tools:list_tickets"], "context": {"current_tool": "rm"}}),
        "current_tool",
    ),
    "a role that is required": (
        Situation({"constraints": ["role:admin"], "context": {"actor_role": "intern"}}),
        "actor_role",
    ),
    "a counter under a limit": (
        Situation({"constraints": ["max_iterations:5"], "context": {"current_iteration": 6}}),
        "current_iteration",
    ),
    "an environment under allowed_environment": (
        Situation({"constraints": ["allowed_environment:staging"], "context": {"environment": "production"}}),
        "environment",
    ),
    "targets under resource_scope": (
        Situation({"constraints": ["resource_scope:repo/a"], "context": {"target_resources": ["repo/b"]}}),
        "target_resources",
    ),
}


@pytest.mark.parametrize("name", _STAYS)
def test_taking_adverse_evidence_away_may_turn_a_deny_into_a_defer_and_no_more(name: str) -> None:
    case, fact = _STAYS[name]
    case = case.sending(goal="List the open tickets")
    assert case.decide().verdict == "DENY"
    assert case.leaving_out(fact).decide().verdict == "DEFER"


def test_an_approval_that_is_not_needed_is_nothing_against_an_action_under_the_strict_pack() -> None:
    case = Situation(
        {
            "goal": "Restart the payment service",
            "success_criteria": ["it is up"],
            "context": {"approved": True, "confirmed": True, "environment": "staging"},
        },
        "stage0-strict",
    )
    assert case.decide().verdict == case.leaving_out("approved").decide().verdict == "ALLOW"


def test_the_two_exceptions_are_as_stated() -> None:
    retried = Situation({"goal": "List the open tickets", "context": {"retry_count": 5}})
    assert retried.decide().verdict == "DEFER"
    assert retried.leaving_out("retry_count").decide().verdict == "ALLOW"
    rehearsed = Situation(
        {
            "goal": "Delete the old backups",
            "success_criteria": ["gone"],
            "context": {"confirmed": True, "dry_run_completed": True, "environment": "production"},
        }
    )
    assert rehearsed.decide().verdict == "DEFER"
    assert rehearsed.leaving_out("environment").decide().verdict == "ALLOW"
    strict = rehearsed.where(pack="stage0-strict")
    assert strict.leaving_out("environment").decide().verdict == "DEFER"
    bound = msgspec.structs.replace(rehearsed.caller, environments=("production",))
    assert rehearsed.leaving_out("environment").where(caller=bound).decide().verdict == "DEFER"
