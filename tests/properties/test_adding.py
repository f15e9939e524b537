"""Adding an effect, a tool, an unknown field or a constraint."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stage0.core.verdict import Decision
from tests.asserting import nonempty
from tests.deciding import codes
from tests.properties.promises import CALLS, CURABLE, not_raised, stops, told
from tests.strategies import (
    ALIASES,
    ALL_GOALS,
    CONTROLS,
    EFFECTS,
    INVALID,
    PACKS,
    TOOLS,
    UNCLEAR_GOALS,
    UNKNOWN,
    Situation,
    situations,
    some,
)


@given(situations(), some(EFFECTS, least=1, most=2))
def test_adding_a_declared_effect_never_raises_the_verdict(case: Situation, effects: list[str]) -> None:
    not_raised(case.decide(), case.adding("side_effects", *effects).decide(), cured=CURABLE)


@given(situations(), some(TOOLS, least=1, most=2))
def test_adding_a_second_tool_never_raises_the_verdict(case: Situation, tools: list[str]) -> None:
    assume(case.fields["tools"])
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


@given(situations(), st.sampled_from(TOOLS), st.sampled_from(CALLS), st.sampled_from(CALLS))
def test_adding_an_argument_to_a_conclusive_call_never_raises_the_verdict(
    case: Situation, tool: str, call: dict[str, Any], more: dict[str, Any]
) -> None:
    case = case.sending(tools=[tool]).saying({"tool_arguments": call})
    assume(case.reading().conclusive)
    not_raised(case.decide(), case.saying({"tool_arguments": {**more, **call}}).decide(), cured=CURABLE)


@given(situations(goals=ALL_GOALS), st.sampled_from(TOOLS), st.sampled_from(CALLS))
def test_giving_a_call_its_arguments_takes_away_only_what_prose_said(
    case: Situation, tool: str, call: dict[str, Any]
) -> None:
    case = case.sending(tools=[tool]).leaving_out("tool_arguments")
    before, after = case.reading(), case.saying({"tool_arguments": call}).reading()
    for effect, sightings in before.effects.items():
        if effect != "unknown" and any(seen.source not in ("goal", "description") for seen in sightings):
            assert effect in after.effects


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
    for key in nonempty(_KEYS):
        text = f"{key}: {value}"
        assert text in _listed(Situation({"goal": "List the open tickets", "constraints": [text]}).decide()), text


@pytest.mark.parametrize("value", _OFF)
def test_a_constraint_that_is_switched_off_guards_nothing(value: str) -> None:
    for key in ("require_approval", "require_confirmation", "dry_run_first", "sandbox", "dry_run"):
        fields = {"goal": "Delete inactive users", "constraints": [f"{key}:{value}"]}
        assert Situation(fields).decide().verdict == "DENY", key
