"""The verdict is the worst severity, nothing else; and what follows from the findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
import pytest

from stage0.core.pack import Pack, SeveritySetting
from stage0.core.rule import Fired, Rule, Severity, rules_of
from stage0.core.verdict import Decision
from tests.asserting import nonempty
from tests.deciding import codes, decided

READ: Final[dict[str, Any]] = {"success_criteria": ["Tickets are listed"]}
DELETE: Final[dict[str, Any]] = {
    **READ,
    "goal": "Delete the old tickets",
    "side_effects": ["delete"],
    "context": {"environment": "staging"},
}
UNROLE: Final[dict[str, Any]] = {**READ, "constraints": ["required_role: admin"]}

SAMPLE: Final[dict[str, Any]] = {
    "goal": "Summarize weekly KPI deltas",
    "success_criteria": ["Report includes top 3 root causes"],
    "constraints": ["read-only data access", "no external side effects"],
    "tools": ["db"],
}


def with_severities(pack: Pack, **severities: str) -> Pack:
    """A pack that sets the severity of some rules."""
    return msgspec.structs.replace(pack, severities=cast("Mapping[str, SeveritySetting]", severities))


def broken(facts: object) -> None:
    """A defect."""
    raise ZeroDivisionError


def with_broken_rule(pack: Pack, code: str) -> Pack:
    """A pack in which one rule raises."""
    rules = tuple(msgspec.structs.replace(r, check=broken) if r.code == code else r for r in pack.rules)
    return msgspec.structs.replace(pack, rules=rules)


def always(severity: Severity, code: str = "TICKET_REQUIRED") -> Rule:
    """A rule that always fires."""
    return Rule(code, "change_control", severity, "Always.", "Why?", "Stop.", "", lambda facts: Fired())


@pytest.mark.parametrize(
    ("fired", "severity"),
    [
        (Fired({"severity": "LOW"}), "HIGH"),
        (Fired({"severity": "HIGH"}, severity="MEDIUM"), "MEDIUM"),
        (Fired({"severity": "LOW"}, severity="HIGH"), "HIGH"),
    ],
)
def test_what_a_rule_calls_its_parameters_does_not_say_how_bad_its_finding_is(
    default_pack: Pack, fired: Fired, severity: Severity
) -> None:
    rule = msgspec.structs.replace(always("HIGH"), message="{severity}", check=lambda facts: fired)
    pack = msgspec.structs.replace(default_pack, rules=(rule,))
    (issue,) = decided(READ, pack).issues
    assert issue.severity == severity
    assert issue.details == {"severity": fired.params["severity"]}


@pytest.mark.parametrize(
    ("severities", "verdict", "decision"),
    [
        ([], "ALLOW", "GO"),
        (["LOW"], "ALLOW", "GO"),
        (["LOW", "MEDIUM"], "DEFER", "DEFER"),
        (["MEDIUM", "HIGH", "LOW"], "DENY", "NO_GO"),
        (["HIGH"], "DENY", "NO_GO"),
    ],
)
def test_the_verdict_is_the_worst_severity(
    severities: list[Severity], verdict: str, decision: str, default_pack: Pack
) -> None:
    available = ["TICKET_REQUIRED", "RUNBOOK_REQUIRED", "DRY_RUN_REQUIRED"]
    rules = tuple(always(severity, code) for severity, code in zip(severities, available, strict=False))
    found = decided(READ, msgspec.structs.replace(default_pack, rules=rules))
    assert (found.verdict, found.decision) == (verdict, decision)
    assert [issue.severity for issue in found.issues] == sorted(severities, key=["HIGH", "MEDIUM", "LOW"].index)


def test_a_rule_that_fails_stops_the_action_and_takes_nothing_from_the_others(default_pack: Pack) -> None:
    found = decided(UNROLE, with_broken_rule(default_pack, "UNCLEAR_VALUE_SIGNAL"))
    assert (found.verdict, found.decision) == ("DEFER", "ERROR")
    assert {"INTERNAL_ERROR", "ROLE_CONTEXT_MISSING"} <= codes(found)


@pytest.mark.parametrize("code", ["MISSING_SUCCESS_CRITERIA", "GUARDRAIL_NOT_EVIDENCED"])
def test_any_rule_that_fails_gives_an_error(code: str, default_pack: Pack) -> None:
    found = decided(READ, with_broken_rule(default_pack, code))
    assert (found.verdict, found.decision) == ("DEFER", "ERROR")
    (issue,) = found.issues
    assert (issue.code, issue.severity) == ("INTERNAL_ERROR", "MEDIUM")
    assert code in issue.message
    assert found.reason.startswith("INTERNAL_ERROR: ")


def test_a_high_finding_beside_a_rule_that_fails_still_denies(default_pack: Pack) -> None:
    found = decided(DELETE, with_broken_rule(default_pack, "UNCLEAR_VALUE_SIGNAL"))
    assert (found.verdict, found.decision) == ("DENY", "NO_GO")
    assert "INTERNAL_ERROR" in codes(found)
    assert found.issues[0].code == "SIDE_EFFECTS_NEED_GUARDRAILS"


@pytest.mark.parametrize(
    ("setting", "verdict", "severity"),
    [("off", "ALLOW", None), ("low", "ALLOW", "LOW"), ("medium", "DEFER", "MEDIUM"), ("high", "DENY", "HIGH")],
)
def test_the_severity_that_a_pack_sets_moves_the_verdict(
    setting: str, verdict: str, severity: str | None, default_pack: Pack
) -> None:
    found = decided(UNROLE, with_severities(default_pack, ROLE_CONTEXT_MISSING=setting))
    assert found.verdict == verdict
    assert [issue.severity for issue in found.issues] == ([severity] if severity else [])


NOTES: Final[dict[str, dict[str, Any]]] = {
    "CUSTOMER_VISIBLE_APPROVAL_REQUIRED": {**READ, "side_effects": ["email"], "context": {"confirmed": True}},
    "SENSITIVE_TOOLS_NEED_CONSTRAINTS": {**READ, "tools": ["db"]},
}


@pytest.mark.parametrize("code", NOTES)
def test_pro_raises_two_notes(code: str, default_pack: Pack) -> None:
    plain, pro = decided(NOTES[code], default_pack), decided({**NOTES[code], "pro": True}, default_pack)
    assert (plain.verdict, pro.verdict) == ("ALLOW", "DEFER")
    assert [(issue.code, issue.severity) for issue in plain.issues] == [(code, "LOW")]
    assert [(issue.code, issue.severity) for issue in pro.issues] == [(code, "MEDIUM")]


def test_pro_raises_nothing_else(default_pack: Pack) -> None:
    assert set(default_pack.pro_severities) == set(NOTES)


@pytest.mark.parametrize("code", NOTES)
def test_pro_never_lowers_what_a_pack_has_raised(code: str, default_pack: Pack) -> None:
    found = decided({**NOTES[code], "pro": True}, with_severities(default_pack, **{code: "high"}))
    assert found.verdict == "DENY"


def test_a_guardrail_in_words_is_asked_about_only_where_no_other_rule_does(default_pack: Pack) -> None:
    fields = {**DELETE, "constraints": ["sandbox"], "context": {"environment": "blue"}}
    assert codes(decided(fields, default_pack)) == {"GUARDRAIL_NOT_EVIDENCED"}
    asked = {**fields, "constraints": ["sandbox", "approval required"]}
    assert codes(decided(asked, default_pack)) == {"APPROVAL_REQUIRED_PENDING"}


def test_a_guardrail_in_words_still_defers_where_the_other_rule_is_off(default_pack: Pack) -> None:
    pack = with_severities(default_pack, APPROVAL_REQUIRED_PENDING="off")
    found = decided({**DELETE, "constraints": ["approval required"]}, pack)
    assert codes(found) == {"GUARDRAIL_NOT_EVIDENCED"}


def test_the_order_of_rules_does_not_matter(default_pack: Pack) -> None:
    fields = {"goal": "Delete all users in production", "tools": ["shell"], "constraints": ["sandbox", "x"]}
    backwards = msgspec.structs.replace(default_pack, rules=default_pack.rules[::-1])
    assert decided(fields, default_pack) == decided(fields, backwards)


def test_two_rules_of_one_code_are_refused() -> None:
    module = type("module", (), {"one": always("LOW"), "two": always("HIGH")})
    with pytest.raises(ValueError, match="TICKET_REQUIRED"):
        rules_of([cast("Any", module)])


def test_questions_are_asked_once_and_only_where_they_can_help(default_pack: Pack) -> None:
    deferred = decided({"goal": "test", **UNROLE}, default_pack)
    assert "Which role does the requester hold?" in deferred.defer_questions
    assert "What result should this produce, and for whom?" in deferred.clarifying_questions
    assert len(set(deferred.defer_questions)) == len(deferred.defer_questions)
    assert "Which role does the requester hold?" not in deferred.clarifying_questions


def test_a_denied_or_allowed_action_leaves_no_question_about_deferring(default_pack: Pack) -> None:
    assert decided(DELETE, default_pack).defer_questions == ()
    assert decided(READ, default_pack).defer_questions == ()


@pytest.mark.parametrize("fields", [READ, DELETE, UNROLE], ids=["allowed", "denied", "deferred"])
def test_reason_and_trace_say_what_was_decided(fields: dict[str, Any], default_pack: Pack) -> None:
    found = decided(fields, default_pack)
    trace = f"Decision: {found.decision} (verdict: {found.verdict}). Risk score: {found.risk_score}."
    assert found.decision_trace_summary.startswith(trace)
    if found.issues:
        assert found.reason.startswith(f"{found.issues[0].code}: {found.issues[0].message}")
        assert all(issue.code in found.decision_trace_summary for issue in nonempty(found.issues))
    else:
        assert found.decision_trace_summary == trace


def test_the_sample_scores_eighteen(default_pack: Pack) -> None:
    found = decided(SAMPLE, default_pack)
    assert (found.verdict, found.risk_score, found.high_risk, found.issues) == ("ALLOW", 18, False, ())


@pytest.mark.parametrize("effects", [["read"], ["read", "compute"], ["network_read", "loop"]])
def test_read_only_work_with_criteria_scores_low(effects: list[str], default_pack: Pack) -> None:
    found = decided({**READ, "side_effects": effects}, default_pack)
    assert found.verdict == "ALLOW"
    assert found.risk_score <= 35


def test_an_allow_scores_at_most_ninety_nine(default_pack: Pack) -> None:
    everything = ["delete", "deployment", "schema change", "access change", "payment", "irreversible", "bulk"]
    evidence = {"environment": "production", "approved": True, "approved_by": "alice", "confirmed": True}
    context = {**evidence, "approved_at": "2026-03-16T09:00:00Z"}
    found = decided({**READ, "side_effects": everything, "context": context}, default_pack)
    assert (found.verdict, found.risk_score) == ("ALLOW", 99)
    without = decided({**READ, "side_effects": everything, "context": {"environment": "production"}}, default_pack)
    assert (without.verdict, without.risk_score) == ("DENY", 100)


def test_adding_an_effect_never_lowers_the_risk(default_pack: Pack) -> None:
    effects: list[str] = []
    last = decided(READ, default_pack).risk_score
    for effect in [
        "read",
        "report generation",
        "write",
        "loop",
        "database update",
        "delete",
        "payment",
        "pii exposure",
    ]:
        effects.append(effect)
        score = decided({**READ, "side_effects": effects}, default_pack).risk_score
        assert score >= last
        last = score


def test_the_same_request_gives_the_same_decision(default_pack: Pack) -> None:
    first: Decision = decided(DELETE, default_pack)
    assert msgspec.json.encode(first) == msgspec.json.encode(decided(DELETE, default_pack))


@pytest.mark.parametrize(
    ("fields", "family", "status"),
    [(UNROLE, "role", "missing"), (DELETE, "guardrail", "failed"), (SAMPLE, "mode", "passed")],
)
def test_each_family_of_rules_says_how_it_came_out(
    fields: dict[str, Any], family: str, status: str, default_pack: Pack
) -> None:
    assert decided(fields, default_pack).guardrail_checks[family]["status"] == status


def test_applied_constraints_are_those_that_were_understood(default_pack: Pack) -> None:
    constraints = ["read-only", "be nice", "max_iterations: lots", "require_mfa: false", "read-only"]
    found = decided({**READ, "constraints": constraints}, default_pack)
    assert found.constraints_applied == ("read-only",)
    assert found.guardrails == ("read_only",)
