"""A decision by itself, the order of its items, and its risk score."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from stage0.core.decide import decide
from stage0.core.facts import Facts
from stage0.core.pack import Pack
from stage0.core.rule import RANK, rule
from stage0.core.verdict import Decision
from stage0.reading.effects import HARMLESS
from stage0.reading.request import State
from tests.deciding import codes, request_of
from tests.properties.promises import CALLS, CURABLE, LISTS, seen, told, verdict_of
from tests.strategies import (
    ALL_GOALS,
    EFFECTS,
    PACKS,
    READ_EFFECTS,
    READ_GOALS,
    READ_TOOLS,
    TOOLS,
    UNCLEAR_GOALS,
    Situation,
    situations,
    some,
)


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


_UNORDERED: Final = ("resource_scope", "target_resources", "active_mcp_servers", "target_tenants")


@given(situations(), st.randoms(use_true_random=False), some(EFFECTS, most=3), some(TOOLS, most=3))
def test_the_order_of_items_does_not_matter(case: Situation, random: Any, effects: list[str], tools: list[str]) -> None:
    case = case.adding("side_effects", *effects).adding("tools", *tools)
    case = case.saying({name: [*case.context[name], "x", "y"] for name in _lists_of(case)})
    other = case.sending(**{name: random.sample(case.fields[name], len(case.fields[name])) for name in LISTS})
    other = other.saying({name: random.sample(items, len(items)) for name, items in _lists_of(case).items()})
    assert seen(other.decide()) == seen(case.decide())


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
    assert seen(other.decide()) == seen(case.decide())


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(case: Situation, random: Any) -> None:
    pack = PACKS[case.pack]
    shuffled = msgspec.structs.replace(pack, rules=tuple(random.sample(pack.rules, len(pack.rules))))
    assert _decided_with(case, shuffled) == case.decide()


@given(situations())
def test_saying_a_thing_twice_changes_neither_verdict_nor_risk(case: Situation) -> None:
    twice = case.sending(**{name: [*case.fields[name], *case.fields[name]] for name in LISTS})
    assert seen(twice.decide())[:3] == seen(case.decide())[:3]


@given(situations(goals=(*ALL_GOALS, *UNCLEAR_GOALS)))
def test_an_allow_is_at_most_99(case: Situation) -> None:
    decision = case.decide()
    assert 0 <= decision.risk_score <= (99 if decision.verdict == "ALLOW" else 100)


@given(situations(), some(EFFECTS, most=2), some(TOOLS, most=1), st.sampled_from(CALLS), st.booleans())
def test_adding_an_effect_never_lowers_the_risk(
    case: Situation, effects: list[str], tools: list[str], call: dict[str, Any], called: bool
) -> None:
    """A first tool or first arguments may take away what only prose said."""
    assume(case.fields["tools"] or not tools)
    case = case.saying({"tool_arguments": call}) if called else case.leaving_out("tool_arguments")
    before = case.decide()
    after = case.adding("side_effects", *effects).adding("tools", *tools).decide()
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
