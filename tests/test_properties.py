"""What can be relied on, whatever is sent: each sentence of the design's promises as a property."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stage0.core.decide import decide, prepare
from stage0.core.effects import HARMLESS
from stage0.core.facts import Facts
from stage0.core.pack import Pack
from stage0.core.request import Caller, RunState, State
from stage0.core.rule import RANK, rule
from stage0.core.verdict import Decision, Issue
from tests.deciding import NOW, codes, request_of
from tests.strategies import (
    ALIASES,
    ALL_GOALS,
    CALLERS,
    CONTROLS,
    EFFECTS,
    HOUR,
    INVALID,
    PACKS,
    READ_EFFECTS,
    READ_GOALS,
    READ_TOOLS,
    TIMES,
    TOOLS,
    UNCLEAR_GOALS,
    UNKNOWN,
    Asked,
    Situation,
    at,
    situations,
    some,
)

#: From the least to the most that an action may do.
ORDER: Final = {"DENY": 0, "DEFER": 1, "ALLOW": 2}
BY_RANK: Final = {0: "ALLOW", RANK["LOW"]: "ALLOW", RANK["MEDIUM"]: "DEFER", RANK["HIGH"]: "DENY"}
#: What saying what is done may cure.
CURABLE: Final = frozenset({"INSUFFICIENT_CONTEXT", "ACTION_NOT_UNDERSTOOD"})
APPROVAL: Final = ("approval_status", "approved", "approved_by", "approved_at", "approval_id", "approval_reason")


def verdict_of(issues: Iterable[Issue], *, without: Iterable[str] = ()) -> str:
    """The verdict that some issues alone would give."""
    left = [RANK[issue.severity] for issue in issues if issue.code not in without]
    return BY_RANK[max(left, default=0)]


def stops(decision: Decision) -> set[str]:
    """The codes that keep an action from being allowed."""
    return {issue.code for issue in decision.issues if issue.severity != "LOW"}


def told(decision: Decision) -> str:
    """A decision in short, for a failing example."""
    return f"{decision.verdict} {decision.risk_score} {[(issue.code, issue.severity) for issue in decision.issues]}"


def not_raised(before: Decision, after: Decision, *, cured: Iterable[str] = ()) -> None:
    """The verdict did not rise, but for the codes that the change may cure."""
    most = verdict_of(before.issues, without=cured)
    assert ORDER[after.verdict] <= ORDER[most], f"{told(before)} became {told(after)}"


# -- a decision by itself


@given(situations(goals=(*ALL_GOALS, *UNCLEAR_GOALS)))
def test_the_verdict_is_the_worst_severity_and_an_allow_carries_nothing_worse_than_low(case: Situation) -> None:
    decision = case.decide()
    assert decision.verdict == verdict_of(decision.issues)
    if decision.verdict == "ALLOW":
        assert {issue.severity for issue in decision.issues} <= {"LOW"}


@given(situations(goals=(*ALL_GOALS, *UNCLEAR_GOALS)))
def test_decision_verdict_reason_and_trace_say_the_same(case: Situation) -> None:
    decision = case.decide()
    assert decision.decision == {"ALLOW": "GO", "DENY": "NO_GO", "DEFER": "DEFER"}[decision.verdict]
    summary = f"Decision: {decision.decision} (verdict: {decision.verdict}). Risk score: {decision.risk_score}."
    assert decision.decision_trace_summary.startswith(summary)
    severities = [RANK[issue.severity] for issue in decision.issues]
    assert severities == sorted(severities, reverse=True)
    if decision.verdict != "ALLOW":
        assert decision.reason == f"{decision.issues[0].code}: {decision.issues[0].message}"
        assert all(issue.code in decision.decision_trace_summary for issue in decision.issues)


@rule("MFA_VERIFICATION_REQUIRED", family="change_control", severity="LOW", message="")
def _broken(facts: Facts) -> None:
    """Fails."""
    raise ArithmeticError(facts)


@given(situations())
def test_a_rule_that_fails_stops_the_action_and_takes_nothing_from_the_others(case: Situation) -> None:
    before = case.decide()
    pack = PACKS[case.pack]
    broken = msgspec.structs.replace(
        pack, rules=tuple(_broken if each.code == "MFA_VERIFICATION_REQUIRED" else each for each in pack.rules)
    )
    after = _decided_with(case, broken)
    assert "INTERNAL_ERROR" in codes(after)
    assert codes(after) >= codes(before) - {"MFA_VERIFICATION_REQUIRED", "GUARDRAIL_NOT_EVIDENCED"}
    denied = "HIGH" in {issue.severity for issue in after.issues}
    assert (after.decision, after.verdict) == (("NO_GO", "DENY") if denied else ("ERROR", "DEFER"))
    assert denied == (before.verdict == "DENY")


def _decided_with(case: Situation, pack: Pack) -> Decision:
    return decide(request_of(**case.fields), pack=pack, state=State(case.caller, case.run), now=case.now)


# -- adding an effect, a tool or an unknown field


@given(situations(), some(EFFECTS, least=1, most=2))
def test_adding_a_declared_effect_never_raises_the_verdict(case: Situation, effects: list[str]) -> None:
    not_raised(case.decide(), case.adding("side_effects", *effects).decide(), cured=CURABLE)


@given(situations(), some(TOOLS, least=1, most=2))
def test_adding_a_tool_never_raises_the_verdict(case: Situation, tools: list[str]) -> None:
    not_raised(case.decide(), case.adding("tools", *tools).decide(), cured=CURABLE)


@given(situations(goals=UNCLEAR_GOALS), some(TOOLS, least=1, most=2), some(EFFECTS, most=1))
def test_a_goal_that_cannot_be_read_is_cured_by_a_tool_that_reads_and_by_nothing_else(
    case: Situation, tools: list[str], effects: list[str]
) -> None:
    before = case.decide()
    not_raised(before, case.adding("side_effects", *effects).decide(), cured=CURABLE)
    more = case.adding("tools", *tools).decide()
    not_raised(before, more, cured=CURABLE | {"GOAL_LANGUAGE_NOT_COVERED"})
    assert more.verdict != "ALLOW" or more.effects


CALLS: Final[tuple[dict[str, Any], ...]] = (
    {"sql": "SELECT 1"},
    {"sql": "DELETE FROM users"},
    {"command": "ls -la"},
    {"command": "rm -rf /srv/data"},
    {"method": "POST", "url": "https://api.example.com/payouts", "amount": 900},
    {"query": "weather in Taipei"},
    {"path": "/etc/shadow"},
    {"command": "$(echo cm0gLXJm | base64 -d)"},
    {"environment": "production"},
    {"note": "hello"},
)


@given(situations(), st.sampled_from(CALLS))
def test_adding_arguments_never_raises_the_verdict(case: Situation, call: dict[str, Any]) -> None:
    case = case.leaving_out("tool_arguments")
    not_raised(case.decide(), case.saying({"tool_arguments": call}).decide(), cured=CURABLE)


@given(situations(goals=ALL_GOALS), st.sampled_from(ALL_GOALS), st.sampled_from(("\n", ". ", "; ", "。")))
def test_adding_a_sentence_to_the_goal_never_raises_the_verdict(case: Situation, sentence: str, joint: str) -> None:
    goal = case.fields["goal"]
    for joined in (f"{goal}{joint}{sentence}", f"{sentence}{joint}{goal}"):
        not_raised(case.decide(), case.sending(goal=joined).decide(), cured=CURABLE)


@given(situations(), st.sampled_from(("Deletes rows.", "Reads a file.", "送金する")), st.booleans())
def test_a_description_or_a_hint_never_raises_the_verdict(case: Situation, text: str, hint: bool) -> None:
    case = case.leaving_out("tool_description", "tool_annotations")
    said = case.saying({"tool_description": text, "tool_annotations": {"destructiveHint": hint, "readOnlyHint": True}})
    not_raised(case.decide(), said.decide(), cured=CURABLE)


_KNOWN_NAMES: Final = {name for names in ALIASES.values() for name in names} | {"loop_state"}
_unknown_names: Final = st.one_of(
    st.sampled_from(("approved_", "Approved", "is_admin", "environment ", "override", "verdict", "pack", "roles")),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12),
).filter(lambda name: name not in _KNOWN_NAMES)
_plain_values: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-9, 1 << 60),
        st.floats(allow_nan=False, allow_infinity=False),
        # No environment: production counts wherever it is named (see below).
        st.sampled_from(("approved", "admin", "rejected", "DROP TABLE users", "ALLOW", "承認済み")),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=4,
)


@given(situations(), _unknown_names, _plain_values)
def test_an_unknown_context_field_changes_nothing(case: Situation, name: str, value: object) -> None:
    assert case.saying({name: value}).decide() == case.decide()


@given(situations(), _unknown_names, _plain_values)
def test_an_unknown_field_of_the_loop_state_changes_nothing(case: Situation, name: str, value: object) -> None:
    nested = case.context.get("loop_state", {})
    assume(isinstance(nested, dict))
    with_it = case.saying({"loop_state": {**nested, name: value}})
    assert with_it.decide() == case.saying({"loop_state": nested}).decide()


@given(situations(), _unknown_names, st.text(max_size=20))
def test_an_unknown_context_field_never_raises_the_verdict_whatever_it_holds(
    case: Situation, name: str, value: str
) -> None:
    before, after = case.decide(), case.saying({name: value}).decide()
    not_raised(before, after)
    assert codes(after) - codes(before) <= {"HIDDEN_TEXT"}


# -- taking evidence away

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


# -- adding a constraint

#: What a control may clear where its evidence is already there: the environment that it holds the action to.
_CONFINING: Final = ("allowed_environment:", "sandbox", "staging-only")
_CONFINED: Final = {"SIDE_EFFECTS_NEED_GUARDRAILS", "STATE_CHANGE_NEEDS_GUARDRAILS", "GUARDRAIL_NOT_EVIDENCED"}
_texts: Final = st.one_of(
    st.sampled_from([control.text for control in CONTROLS]), st.sampled_from(INVALID), st.text(max_size=12)
)


@given(situations(), _texts)
def test_adding_a_constraint_allows_only_where_its_evidence_was_there(case: Situation, text: str) -> None:
    before, after = case.decide(), case.adding("constraints", text).decide()
    if after.verdict != "ALLOW" or before.verdict == "ALLOW":
        return
    may_clear = {"SENSITIVE_TOOLS_NEED_CONSTRAINTS"}
    if text == "staging-only":
        may_clear |= {"ENVIRONMENT_CONTEXT_MISSING"}
    if text.startswith(_CONFINING) and (case.given("environment") or case.caller.environments):
        may_clear |= _CONFINED
    assert stops(before) <= may_clear, f"{told(before)} became {told(after)}"


@given(situations(), st.text(max_size=30), st.sampled_from(("", "note:", "please ")))
def test_a_constraint_that_is_not_understood_never_raises_the_verdict(case: Situation, text: str, start: str) -> None:
    before, after = case.decide(), case.adding("constraints", f"{start}{text}").decide()
    if f"{start}{text}" in _not_understood(after):
        not_raised(before, after)


#: Values that switch a constraint off: false, no, 0, and what says the same in other words.
_OFF: Final = ("false", "no", "0", "off", "none", "disabled", "0.0", "n", "f", "not required", "optional", "不需要")
_VALUES: Final = (
    *_OFF,
    *("true", "yes", "3", "300s", "1,000", "admin", "no exceptions", "under all circumstances", "unless I say so"),
    *("without exception", "never skip", "not negotiable", "不可省略", "無例外", "n/a", "TBD", "-1", "1e3", "[]", ""),
)
_KEYS: Final = tuple(sorted(PACKS["stage0-default"].knowledge.grammar.keys))


def _not_understood(decision: Decision) -> set[str]:
    found = [issue for issue in decision.issues if issue.code == "CONSTRAINT_NOT_ENFORCED"]
    return {text for issue in found for text in issue.details["constraints"]}


def _listed(decision: Decision) -> set[str]:
    shown = set(decision.constraints_applied)
    for issue in decision.issues:
        if issue.code in ("CONSTRAINT_NOT_ENFORCED", "CONSTRAINT_VALUE_INVALID"):
            shown.update(issue.details["constraints"])
    return shown


@given(situations(), st.sampled_from(UNKNOWN))
def test_a_constraint_that_is_not_understood_is_never_dropped(case: Situation, text: str) -> None:
    decision = case.adding("constraints", text).decide()
    issue = next(issue for issue in decision.issues if issue.code == "CONSTRAINT_NOT_ENFORCED")
    assert text in issue.details["constraints"]
    assert text not in decision.constraints_applied
    assert issue.severity == ("MEDIUM" if case.pack == "stage0-strict" else "LOW")


@given(st.text(min_size=1, max_size=40))
def test_no_constraint_is_dropped_whatever_it_says(text: str) -> None:
    value = text.replace("=", ":").partition(":")[2].strip().casefold()
    assume(value not in _OFF)
    assert text in _listed(Situation({"goal": "List the open tickets", "constraints": [text]}).decide())


@pytest.mark.parametrize("value", [value for value in _VALUES if value not in _OFF])
def test_no_value_but_false_no_and_nought_switches_a_constraint_off(value: str) -> None:
    for key in _KEYS:
        text = f"{key}: {value}"
        assert text in _listed(Situation({"goal": "List the open tickets", "constraints": [text]}).decide()), text


@pytest.mark.parametrize("value", _OFF)
def test_a_constraint_that_is_switched_off_guards_nothing(value: str) -> None:
    for key in ("require_approval", "require_confirmation", "dry_run_first", "sandbox", "dry_run"):
        fields = {"goal": "Delete inactive users", "constraints": [f"{key}:{value}"]}
        assert Situation(fields).decide().verdict == "DENY", key


# -- the order of items and rules

_LISTS: Final = ("success_criteria", "constraints", "tools", "side_effects")
_UNORDERED: Final = ("resource_scope", "target_resources", "active_mcp_servers", "target_tenants")


def _seen(decision: Decision) -> tuple[Any, ...]:
    issues = [(issue.code, issue.severity) for issue in decision.issues]
    return decision.verdict, issues, decision.risk_score, decision.task_hash, decision.effects, decision.high_risk


@given(situations(), st.randoms(use_true_random=False), some(EFFECTS, most=3), some(TOOLS, most=3))
def test_the_order_of_items_does_not_matter(case: Situation, random: Any, effects: list[str], tools: list[str]) -> None:
    case = case.adding("side_effects", *effects).adding("tools", *tools)
    case = case.saying({name: [*case.context[name], "x", "y"] for name in _lists_of(case)})
    other = case.sending(**{name: random.sample(case.fields[name], len(case.fields[name])) for name in _LISTS})
    other = other.saying({name: random.sample(items, len(items)) for name, items in _lists_of(case).items()})
    assert _seen(other.decide()) == _seen(case.decide())


def _lists_of(case: Situation) -> dict[str, list[str]]:
    """The lists in context whose order says nothing."""
    return {name: case.context[name] for name in _UNORDERED if _is_texts(case.context.get(name))}


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@given(situations(), st.sampled_from(CALLS), st.randoms(use_true_random=False))
def test_the_order_of_context_fields_does_not_matter(case: Situation, call: dict[str, Any], random: Any) -> None:
    case = case.saying({"arguments": call})
    context = case.context
    other = case.sending(context={name: context[name] for name in random.sample(sorted(context), len(context))})
    assert _seen(other.decide()) == _seen(case.decide())


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(case: Situation, random: Any) -> None:
    pack = PACKS[case.pack]
    shuffled = msgspec.structs.replace(pack, rules=tuple(random.sample(pack.rules, len(pack.rules))))
    assert _decided_with(case, shuffled) == case.decide()


@given(situations())
def test_saying_a_thing_twice_changes_neither_verdict_nor_risk(case: Situation) -> None:
    twice = case.sending(**{name: [*case.fields[name], *case.fields[name]] for name in _LISTS})
    assert _seen(twice.decide())[:3] == _seen(case.decide())[:3]


# -- facts under two names

_PAIRS: Final[tuple[tuple[str, str, tuple[Any, ...]], ...]] = (
    ("actor_role", "user_role", ("sre", "finance_manager", "intern", "admin")),
    ("user_role", "requester_role", ("sre", "finance_manager", "intern", "admin")),
    ("environment", "target_environment", ("staging", "dev", "production", "qa")),
    ("current_iteration", "loop_state", (0, 2, 6, 99)),
    ("elapsed_seconds", "loop_state", (1, 299.5, 301, 1e6)),
    ("cumulative_cost_usd", "loop_state", (0, 1.5, 1.6, 50)),
    ("recent_tools", "loop_state", (["a", "b"], ["a", "a", "a"])),
    ("current_tool", "loop_state", ("shell", "list_tickets", "rm")),
    ("tool_arguments", "arguments", CALLS),
)


@pytest.mark.parametrize(("first", "second", "values"), _PAIRS, ids=[f"{one}-{two}" for one, two, _ in _PAIRS])
@given(case=situations(), data=st.data())
def test_of_two_values_of_one_fact_the_narrower_counts(
    first: str, second: str, values: tuple[Any, ...], case: Situation, data: st.DataObject
) -> None:
    one, other = data.draw(st.sampled_from(values)), data.draw(st.sampled_from(values))
    fact = next(name for name, names in ALIASES.items() if first in names)
    concerned = [control.text for control in CONTROLS if fact in control.good] or [""]
    constraints = data.draw(some(concerned, most=1))
    case = case.leaving_out(fact).adding("constraints", *constraints)
    nested = case.context.get("loop_state", {})
    assume(isinstance(nested, dict))
    named = {"loop_state": {**nested, first: other}} if second == "loop_state" else {second: other}
    both, alone = case.saying({first: one, **named}).decide(), case.saying({first: one}).decide()
    not_raised(alone, both, cured=CURABLE if fact == "tool_arguments" else ())
    not_raised(case.saying(named).decide(), both, cured=CURABLE if fact == "tool_arguments" else ())
    if one != other:
        assert "CONTEXT_CONFLICT" in codes(both)


# -- the lanes of evidence

_COUNTERS: Final = ("current_iteration", "elapsed_seconds", "cumulative_cost_usd", "retry_count")
_LIMITS: Final = ("max_iterations:5", "timeout:300s", "max_cost_usd:1.5", "max_retries:2")
_runs: Final = st.builds(
    RunState,
    allows=st.integers(0, 8),
    elapsed_seconds=st.sampled_from((0.0, 299.0, 300.0, 301.0, 900.0)),
    cost_usd=st.sampled_from((0.0, 1.5, 1.75, 40.0)),
    retries=st.integers(0, 6),
)
_counts: Final = st.fixed_dictionaries(
    {},
    optional={
        "current_iteration": st.integers(0, 9),
        "elapsed_seconds": st.sampled_from((0, 299, 301)),
        "cumulative_cost_usd": st.sampled_from((0, 1.5, 1.75)),
        "retry_count": st.integers(0, 6),
    },
)


@given(situations(), _runs, _counts, some(_LIMITS, most=3))
def test_counters_are_the_larger_of_both(
    case: Situation, run: RunState, counts: dict[str, Any], limits: list[str]
) -> None:
    case = case.leaving_out(*_COUNTERS).adding("constraints", *limits)
    larger = RunState(
        allows=max(run.allows, counts.get("current_iteration", 0) - 1),
        elapsed_seconds=max(run.elapsed_seconds, counts.get("elapsed_seconds", 0)),
        cost_usd=max(run.cost_usd, counts.get("cumulative_cost_usd", 0)),
        retries=max(run.retries, counts.get("retry_count", 0)),
        recent_tools=run.recent_tools,
    )
    assert _seen(case.saying(counts).where(run=run).decide()) == _seen(case.where(run=larger).decide())


@given(situations(), _runs, _counts, some(_LIMITS, most=3))
def test_asserted_counters_never_widen_what_the_server_counted(
    case: Situation, run: RunState, counts: dict[str, Any], limits: list[str]
) -> None:
    case = case.leaving_out(*_COUNTERS).adding("constraints", *limits).where(run=run)
    not_raised(case.decide(), case.saying(counts).decide())


@given(situations(packs=["stage0-strict"], runs=[None]), _counts, st.sampled_from(_LIMITS[:3]))
def test_the_strict_pack_counts_only_what_the_server_counted(
    case: Situation, counts: dict[str, Any], limit: str
) -> None:
    decision = case.leaving_out(*_COUNTERS).saying(counts).adding("constraints", limit).decide()
    assert "RUNTIME_CONTEXT_MISSING" in codes(decision)
    assert decision.verdict != "ALLOW"


_WINDOWS: Final = ("business-hours only", "allowed_change_window:weekdays", "allowed_change_window:always")
_moments: Final = st.sampled_from([at(hours * HOUR) for hours in (-48, -7, 0, 3, 9, 120)])
_zones: Final = st.sampled_from(("UTC", "Asia/Tokyo", "America/Los_Angeles", "Nowhere/None", ""))
_clocks: Final = st.fixed_dictionaries({}, optional={"current_time": _moments, "timezone": _zones})


@given(situations(), _clocks, st.sampled_from(_WINDOWS), st.sampled_from(TIMES))
def test_an_asserted_time_or_zone_closes_a_window_and_never_opens_one(
    case: Situation, clock: dict[str, str], window: str, now: float
) -> None:
    caller = msgspec.structs.replace(case.caller, test_mode=False)
    case = case.leaving_out("current_time", "timezone").adding("constraints", window).where(caller=caller, now=now)
    before, after = case.decide(), case.saying(clock).decide()
    not_raised(before, after)
    assert "CHANGE_WINDOW_CLOSED" in codes(after) or "CHANGE_WINDOW_CLOSED" not in codes(before)


@given(situations(), _moments)
def test_an_asserted_time_never_affects_expiry(case: Situation, moment: str) -> None:
    caller = msgspec.structs.replace(case.caller, test_mode=False)
    case = case.where(caller=caller).saying({"approval_status": "approved", "approved_at": at(-23 * HOUR)})
    case = case.leaving_out("current_time").adding("constraints", "approval_timeout:1d")
    aged = {"APPROVAL_EXPIRED", "APPROVAL_TIMESTAMP_IN_FUTURE", "APPROVAL_TIMESTAMP_MISSING"}
    told_ = case.saying({"current_time": moment}).decide()
    assert codes(told_) & aged == codes(case.decide()) & aged
    assert told_.evaluated_at == int(case.now)


@given(situations(), st.sampled_from(TIMES), st.sampled_from(TIMES))
def test_a_test_mode_key_may_set_the_clock(case: Situation, now: float, told_now: float) -> None:
    caller = msgspec.structs.replace(case.caller, test_mode=True)
    case = case.leaving_out("current_time").where(caller=caller)
    asserted = case.saying({"current_time": at(told_now - NOW)}).where(now=now).decide()
    assert _seen(asserted) == _seen(case.where(now=told_now).decide())
    assert asserted.evaluated_at == int(told_now)


_ROLES: Final = ("admin", "sre", "intern", "finance_manager", "Admin", "ＡＤＭＩＮ")


@given(situations(), some(("admin", "sre", "viewer"), least=1, most=2), st.sampled_from(_ROLES))
def test_a_role_outside_those_bound_to_the_key_counts_as_absent(case: Situation, bound: list[str], role: str) -> None:
    assume(role not in bound)
    caller = msgspec.structs.replace(case.caller, roles=tuple(dict.fromkeys(bound)))
    case = case.leaving_out("actor_role").saying({"actor_role": role}).where(caller=caller)
    case = case.adding("constraints", f"required_role:{role}")
    decision, without = case.decide(), case.leaving_out("actor_role").decide()
    assert "ROLE_CONTEXT_MISSING" in codes(decision)
    assert decision.verdict != "ALLOW"
    not_raised(without, decision)


@given(situations(), st.sampled_from(_ROLES), st.sampled_from(_ROLES), st.sampled_from(_ROLES))
def test_an_asserted_role_never_widens_the_one_bound_to_the_key(
    case: Situation, bound: str, role: str, wanted: str
) -> None:
    caller = msgspec.structs.replace(case.caller, roles=(bound,))
    case = case.leaving_out("actor_role").where(caller=caller).adding("constraints", f"required_role:{wanted}")
    not_raised(case.decide(), case.saying({"user_role": role}).decide())


@given(situations(), st.sampled_from(("staging", "production")), st.sampled_from(("dev", "staging", "production")))
def test_an_asserted_environment_never_widens_the_one_bound_to_the_key(case: Situation, bound: str, said: str) -> None:
    caller = msgspec.structs.replace(case.caller, environments=(bound,))
    case = case.leaving_out("environment").where(caller=caller)
    not_raised(case.decide(), case.saying({"environment": said}).decide())


@given(situations(), st.sampled_from(("dev", "test", "production", "qa")))
def test_an_environment_outside_those_bound_to_the_key_never_widens(case: Situation, said: str) -> None:
    caller = msgspec.structs.replace(case.caller, environments=("staging", "uat"))
    case = case.leaving_out("environment").where(caller=caller)
    not_raised(case.decide(), case.saying({"environment": said}).decide())


@given(situations(packs=["stage0-strict"]))
def test_the_strict_pack_never_allows_on_an_asserted_approval(case: Situation) -> None:
    approved = {"approval_status": "approved", "approved": True, "approved_by": "mei.chen", "approved_at": at(-HOUR)}
    case = case.leaving_out(*APPROVAL)
    claimed, unclaimed = case.saying(approved).decide(), case.decide()
    not_raised(unclaimed, claimed)
    asked = case.saying(approved).adding("constraints", "approval required").decide()
    assert asked.verdict != "ALLOW"
    assert "APPROVAL_NOT_VERIFIED" in codes(asked)


@given(situations(packs=["stage0-strict"], callers=[c for c in CALLERS if not c.roles]))
def test_the_strict_pack_never_allows_on_an_asserted_role(case: Situation) -> None:
    decision = case.leaving_out("actor_role").saying({"actor_role": "sre"}).adding("constraints", "role:sre").decide()
    assert "ROLE_CONTEXT_MISSING" in codes(decision)
    assert decision.verdict != "ALLOW"


@given(situations())
def test_the_strict_pack_never_allows_what_the_default_pack_does_not(case: Situation) -> None:
    default, strict = case.where(pack="stage0-default").decide(), case.where(pack="stage0-strict").decide()
    assert ORDER[strict.verdict] <= ORDER[default.verdict], f"{told(default)}, strictly {told(strict)}"


@given(situations())
def test_pro_never_raises_the_verdict(case: Situation) -> None:
    not_raised(case.sending(pro=False).decide(), case.sending(pro=True).decide())


# -- production

_STAGED: Final = Situation(
    {
        "goal": "Delete the old backups",
        "success_criteria": ["gone"],
        "context": {"confirmed": True, "dry_run_completed": True, "environment": "staging"},
    }
)
_names: Final = st.sampled_from(sorted(PACKS["stage0-default"].environments.production))
_spellings: Final = st.sampled_from(
    (str, str.upper, str.title, lambda name: f"  {name}\t", lambda name: name.replace("p", "ｐ"))
)


def _in_production(case: Situation) -> None:
    decision = case.decide()
    assert "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL" in codes(decision), told(decision)
    assert decision.verdict != "ALLOW"


def test_outside_production_a_rehearsed_delete_is_allowed() -> None:
    assert _STAGED.decide().verdict == "ALLOW"


@given(_names, _spellings, st.sampled_from(("environment", "target_environment")))
def test_an_environment_that_is_production_under_any_name_is(name: str, spelled: Any, field: str) -> None:
    _in_production(_STAGED.saying({field: spelled(name)}))
    bound = msgspec.structs.replace(_STAGED.caller, environments=(spelled(name),))
    _in_production(_STAGED.leaving_out("environment").where(caller=bound))
    _in_production(_STAGED.where(caller=bound))


@pytest.mark.parametrize(
    "phrase",
    [
        *("in production", "on prod", "from the production database", "in the live environment", "in PRD"),
        *(
            "（正式環境）",
            "（生产环境）",
            "、本番環境",
            "、本番",
            "in p\u200broduction",
            "in ｐｒｏｄ",
            "on db.prod.internal",
        ),
    ],
)
def test_production_named_in_the_goal_counts(phrase: str) -> None:
    _in_production(_STAGED.sending(goal=f"Delete the old backups {phrase}"))


@pytest.mark.parametrize(
    "goal", ["Delete the production data", "Delete backups of production data", "刪除正式環境資料"]
)
def test_production_is_not_lost_in_a_compound(goal: str) -> None:
    _in_production(_STAGED.sending(goal=goal))


@pytest.mark.parametrize(
    "tool", ["prod_db_list", "list_production_backups", "prd-backup-lister", "backups.prod.list", "listProdBackups"]
)
def test_production_named_in_a_tool_counts(tool: str) -> None:
    _in_production(_STAGED.adding("tools", tool))


@pytest.mark.parametrize(
    "arguments",
    [
        {"environment": "production"},
        {"target": {"env": "prod"}},
        {"hosts": ["a", "db.prod.internal"]},
        {"sql": "DELETE FROM production.backups WHERE age > 90"},
        {"command": "kubectl --context prod delete pvc old"},
        {"env": "本番"},
        {"url": "https://prod.example.com/backups"},
    ],
)
def test_production_named_in_an_argument_counts(arguments: dict[str, Any]) -> None:
    for name in ALIASES["tool_arguments"]:
        _in_production(_STAGED.saying({name: arguments}))


@pytest.mark.parametrize("effect", ["production deployment", "delete production data", "deletes from prod"])
def test_production_named_in_a_declared_effect_counts(effect: str) -> None:
    _in_production(_STAGED.adding("side_effects", effect))


@pytest.mark.parametrize(
    "facts",
    [
        {"tool_description": "Deletes backups in the production database."},
        {"target_resources": ["production/backups"]},
        {"resource_scope": ["production"]},
    ],
)
def test_production_named_elsewhere_in_context_counts(facts: dict[str, Any]) -> None:
    _in_production(_STAGED.saying(facts))


# -- the risk score


@given(situations(goals=(*ALL_GOALS, *UNCLEAR_GOALS)))
def test_an_allow_is_at_most_99(case: Situation) -> None:
    decision = case.decide()
    assert 0 <= decision.risk_score <= (99 if decision.verdict == "ALLOW" else 100)


@given(situations(), some(EFFECTS, most=2), some(TOOLS, most=1), st.sampled_from(CALLS))
def test_adding_an_effect_never_lowers_the_risk(
    case: Situation, effects: list[str], tools: list[str], call: dict[str, Any]
) -> None:
    case = case.leaving_out("tool_arguments")
    before = case.decide()
    after = case.adding("side_effects", *effects).adding("tools", *tools).saying({"tool_arguments": call}).decide()
    if verdict_of(before.issues, without=CURABLE) == before.verdict:
        assert after.risk_score >= before.risk_score, f"{told(before)} became {told(after)}"


@given(
    situations(goals=READ_GOALS, tools=READ_TOOLS, effects=READ_EFFECTS),
)
def test_read_only_work_with_clear_criteria_stays_at_or_under_35(case: Situation) -> None:
    decision = case.sending(success_criteria=["The list is complete"]).decide()
    assume(HARMLESS.issuperset(decision.effects))
    assert not decision.high_risk
    if decision.verdict != "DENY":
        assert decision.risk_score <= 35, told(decision)


# -- secrets

_SECRETS: Final = (
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-delete-all-users",
    "sk-delete-all-the-users-in-production",
    "password=hunter2hunter2",
    "token=../../../etc/shadow",
    "secret=production",
    "api_key=DROP/TABLE/users",
    "https://root:deleteprod@db.prod.internal/drop",
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
)
_secrets: Final = st.sampled_from(_SECRETS)


def _fingerprint(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()[:8]


@st.composite
def _with_secrets(draw: st.DrawFn) -> Situation:
    """A situation with secrets in its texts: by themselves, at an end, or in the middle."""
    case = draw(situations())

    def put(text: str) -> str:
        secret = draw(_secrets)
        return draw(st.sampled_from((secret, f"{text} {secret}", f"{secret} {text}", f"{text}/{secret}/x")))

    place = draw(st.sampled_from(("goal", *_LISTS, "call", "context", "scope", "tools", "role", "approval")))
    if place == "goal":
        return case.sending(goal=put(case.fields["goal"]))
    if place == "tools":
        tool = put("list_tickets")
        return case.adding("tools", tool).adding(
            "constraints", f"allowed_tools:{tool},{','.join(case.fields['tools'])}"
        )
    if place in _LISTS:
        items = case.fields[place] or ["list"]
        return case.sending(**{place: [put(items[0]), *items[1:]]})
    if place == "call":
        return case.saying({"tool_arguments": {draw(st.sampled_from(("sql", "command", "note"))): put("SELECT 1")}})
    if place == "scope":
        scope = draw(st.sampled_from(("repo", put("repo"))))
        return case.saying({"resource_scope": scope, "target_resources": [put(scope), draw(_secrets)]})
    if place == "role":
        role = put("sre")
        return case.saying({"actor_role": role}).adding("constraints", f"required_role:{role}")
    if place == "approval":
        own = draw(st.sampled_from(("dana", put("dana"))))
        return case.saying({"approval_status": "approved", "approved_by": put("dana"), "requested_by": own})
    texts = sorted(name for name, value in case.context.items() if isinstance(value, str))
    assume(texts)
    name = draw(st.sampled_from(texts))
    return case.saying({name: put(case.context[name])})


def _as_prepared(case: Situation) -> Decision:
    pack, state = PACKS[case.pack], State(case.caller, case.run)
    prepared = prepare(request_of(**case.fields), pack.knowledge, _fingerprint)
    return decide(prepared.request, pack=pack, state=state, now=case.now, reading=prepared.reading)


def _same_as_sent(case: Situation) -> None:
    prepared, sent = _as_prepared(case), case.decide()
    assert (prepared.verdict, codes(prepared)) == (sent.verdict, codes(sent)), f"{told(sent)} became {told(prepared)}"


@given(_with_secrets())
def test_secrets_change_neither_verdict_nor_codes(case: Situation) -> None:
    _same_as_sent(case)


_TOKEN: Final = "sk-aaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.mark.parametrize(
    "fields",
    [
        {"context": {"resource_scope": ["repo"], "target_resources": ["repo/token=aaa/../../../etc/shadow"]}},
        {"context": {"resource_scope": ["repo/token=abcdef"], "target_resources": ["repo/token=abcdef/src"]}},
        {"tools": [_TOKEN], "constraints": [f"allowed_tools:{_TOKEN}"]},
        {"constraints": [f"allowed_tools:{_TOKEN}"], "context": {"current_tool": _TOKEN}},
        {
            "constraints": ["approval required"],
            "context": {"approved": True, "approved_by": "token=Hunter22", "requested_by": "token=hunter22"},
        },
        {"constraints": [f"role:{_TOKEN}"], "context": {"actor_role": _TOKEN}},
        {"context": {"recent_tools": [f"a {_TOKEN}"] * 3}},
        {"context": {"approved_by": "password=tbdtbd", "approval_status": "token=approved"}},
    ],
)
def test_a_fact_that_looks_like_a_secret_still_counts(fields: dict[str, Any]) -> None:
    _same_as_sent(Situation({"goal": "List the open tickets", **fields}))


@given(_with_secrets())
def test_what_is_stored_exactly_decides_the_same_again(case: Situation) -> None:
    pack, state = PACKS[case.pack], State(case.caller, case.run)
    prepared = prepare(request_of(**case.fields), pack.knowledge, _fingerprint)
    assert not any(secret in json.dumps(msgspec.to_builtins(prepared.stored)) for secret in _SECRETS[:4])
    first = decide(prepared.request, pack=pack, state=state, now=case.now, reading=prepared.reading)
    if prepared.exact:
        assert decide(prepared.stored, pack=pack, state=state, now=case.now) == first
