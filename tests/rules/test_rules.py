"""Every rule has cases, every case names a rule, and each case runs against its rule alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pytest
from ruamel.yaml import YAML

from stage0.core.fingerprint import short
from stage0.core.pack import Pack
from stage0.core.rule import Rule, Severity
from stage0.core.verdict import Issue
from stage0.policy import shipped_packs
from stage0.reading.request import Caller, RunState
from stage0.rules import RULES
from tests.asserting import nonempty
from tests.deciding import NOW, decided
from tests.layering import pack_with

CASES_FOLDER: Final = Path(__file__).parent / "cases"
BY_CODE: Final = {rule.code: rule for rule in RULES}


class RuleCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request, and whether a rule fires on it. `policy` is what a pack over the named one says."""

    name: str
    code: str
    fires: bool
    request: dict[str, Any]
    run: RunState | None = None
    stopped: str = ""
    caller: dict[str, Any] = {}
    now: str = ""
    pack: Literal["stage0-default", "stage0-strict"] = "stage0-default"
    policy: dict[str, Any] = {}
    severity: Severity | None = None
    family: str = ""


def _cases() -> list[RuleCase]:
    cases = []
    for path in sorted(CASES_FOLDER.glob("*.yaml")):
        plain = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        for case in msgspec.convert(plain, list[RuleCase]):
            cases.append(msgspec.structs.replace(case, family=path.stem.partition("-")[0]))
    return cases


CASES: Final = _cases()
each_case = pytest.mark.parametrize("case", CASES, ids=[f"{case.code}: {case.name}" for case in CASES])
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])

#: decisions.md, "Codes that the seeds or published clients fix".
FIXED: Final[dict[str, Severity]] = {
    "SIDE_EFFECTS_NEED_GUARDRAILS": "HIGH",
    "ROLE_NOT_AUTHORIZED": "HIGH",
    "ROLE_CONTEXT_MISSING": "MEDIUM",
    "ENVIRONMENT_NOT_ALLOWED": "HIGH",
    "ENVIRONMENT_CONTEXT_MISSING": "MEDIUM",
    "APPROVAL_REQUIRED_PENDING": "MEDIUM",
    "APPROVAL_REQUIRED": "MEDIUM",
    "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL": "MEDIUM",
    "CUSTOMER_VISIBLE_APPROVAL_REQUIRED": "LOW",
    "APPROVAL_TIMESTAMP_MISSING": "MEDIUM",
    "APPROVAL_REJECTED": "HIGH",
    "APPROVAL_EXPIRED": "MEDIUM",
    "MFA_VERIFICATION_REQUIRED": "MEDIUM",
    "CHANGE_WINDOW_CLOSED": "MEDIUM",
    "ROLLBACK_PLAN_REQUIRED": "MEDIUM",
    "TICKET_REQUIRED": "MEDIUM",
    "RUNBOOK_REQUIRED": "MEDIUM",
    "ACTION_CONFIRMATION_REQUIRED": "MEDIUM",
    "DRY_RUN_REQUIRED": "MEDIUM",
    "ROWS_AFFECTED_ESTIMATE_MISSING": "MEDIUM",
    "QUERY_COST_ESTIMATE_MISSING": "MEDIUM",
    "ROWS_AFFECTED_LIMIT_EXCEEDED": "HIGH",
    "QUERY_COST_LIMIT_EXCEEDED": "HIGH",
    "SENSITIVE_DATA_EXPOSURE_RISK": "HIGH",
    "SECRET_EXPOSURE_RISK": "HIGH",
    "MAX_ITERATIONS_EXCEEDED": "HIGH",
    "TIMEOUT_EXCEEDED": "HIGH",
    "COST_LIMIT_EXCEEDED": "HIGH",
    "RUNTIME_CONTEXT_MISSING": "MEDIUM",
    "LOOP_THRESHOLD_EXCEEDED": "MEDIUM",
    "KILL_SWITCH": "HIGH",
    "UNCLEAR_VALUE_SIGNAL": "MEDIUM",
    "INSUFFICIENT_CONTEXT": "MEDIUM",
    "MISSING_SUCCESS_CRITERIA": "LOW",
    "SENSITIVE_TOOLS_NEED_CONSTRAINTS": "LOW",
    "RESOURCE_SCOPE_VIOLATION": "HIGH",
    "TENANT_ISOLATION_VIOLATION": "HIGH",
    "CHANNEL_NOT_ALLOWED": "HIGH",
    "MCP_SERVER_NOT_ALLOWED": "HIGH",
    "TOOL_NOT_ALLOWED": "HIGH",
    "CONTEXT_VALUE_INVALID": "MEDIUM",
    "READ_ONLY_VIOLATED": "HIGH",
    "EXTERNAL_EFFECTS_VIOLATED": "HIGH",
    "STATE_CHANGE_NEEDS_GUARDRAILS": "MEDIUM",
    "GUARDRAIL_NOT_EVIDENCED": "MEDIUM",
    "ACTION_NOT_UNDERSTOOD": "MEDIUM",
    "CONSTRAINT_NOT_ENFORCED": "LOW",
}


def issues_alone(case: RuleCase) -> tuple[Issue, ...]:
    """The issues of a decision in which the case's rule is the only one."""
    pack = msgspec.structs.replace(_pack(case.pack, json.dumps(case.policy)), rules=(BY_CODE[case.code],))
    now = datetime.fromisoformat(case.now).timestamp() if case.now else NOW
    caller = msgspec.convert({"account": "acc_test", **case.caller}, Caller)
    run = case.run and _naming_this_action(case.run, decided(case.request, pack, now=now, caller=caller).task_hash)
    return decided(case.request, pack, now=now, caller=caller, run=run, stopped=case.stopped).issues


@cache
def _pack(name: str, policy: str) -> Pack:
    """A pack that ships, or one over it that says more, given as JSON."""
    fields = [f"{field}: {json.dumps(value)}\n" for field, value in json.loads(policy).items()]
    return pack_with("".join(fields), name) if fields else shipped_packs()[name]


def _naming_this_action(run: RunState, task_hash: str) -> RunState:
    """A run in which `same` stands for the action of the case."""
    names = {"same": short(task_hash)}
    actions = tuple(names.get(action, action) for action in run.recent_actions)
    last = names.get(run.last_action, run.last_action)
    return msgspec.structs.replace(run, recent_actions=actions, last_action=last)


@each_case
def test_a_rule_fires_where_its_case_says_and_stays_quiet_on_the_near_miss(case: RuleCase) -> None:
    issues = issues_alone(case)
    assert [issue.code for issue in issues] == ([case.code] if case.fires else [])
    if issues:
        assert issues[0].severity == (case.severity or BY_CODE[case.code].severity)


@pytest.mark.parametrize("case", [c for c in CASES if c.fires], ids=[c.name for c in CASES if c.fires])
def test_message_question_and_remedy_are_filled_in(case: RuleCase) -> None:
    rule = BY_CODE[case.code]
    for issue in nonempty(issues_alone(case)):
        assert issue.message
        assert issue.remedy
        assert bool(issue.question) is bool(rule.question)
        for text in (issue.message, issue.question, issue.remedy):
            assert not re.search(r"\{\w+\}|\bNone\b|frozenset|\(\)", text)


@each_rule
def test_every_rule_has_a_firing_case_and_a_near_miss(rule: Rule) -> None:
    assert {case.fires for case in CASES if case.code == rule.code} == {True, False}


@each_rule
def test_the_cases_of_a_rule_stand_in_a_file_of_its_family(rule: Rule) -> None:
    assert {case.family for case in CASES if case.code == rule.code} == {rule.family}


def test_every_case_names_a_rule() -> None:
    assert {case.code for case in nonempty(CASES)} <= set(BY_CODE)


def test_case_names_are_unique() -> None:
    assert [name for name, count in nonempty(Counter(case.name for case in CASES).items()) if count > 1] == []


def test_only_a_firing_case_expects_a_severity() -> None:
    assert [case.name for case in nonempty(CASES) if case.severity and not case.fires] == []


@each_rule
def test_a_rule_says_what_it_is_why_it_is_and_how_to_fix_it(rule: Rule) -> None:
    first, blank, *rest = rule.why.split("\n")
    assert first.endswith(".")
    assert blank == ""
    body = "\n".join(rest)
    assert re.search(r"^Why: \S", body, re.MULTILINE)
    assert re.search(r"^Fix: \S", body, re.MULTILINE)


@each_rule
def test_a_rule_has_a_message_a_remedy_and_where_it_defers_a_question(rule: Rule) -> None:
    assert rule.message.endswith(".")
    assert rule.remedy.endswith(".")
    assert rule.question.endswith("?") or (rule.severity != "MEDIUM" and not rule.question)


@each_rule
def test_a_rule_that_waits_for_a_control_waits_for_one_that_exists(rule: Rule) -> None:
    assert rule.when <= set(shipped_packs()["stage0-default"].knowledge.grammar.kinds) | {"unknown", "invalid"}


@pytest.mark.parametrize(("code", "severity"), FIXED.items(), ids=FIXED)
def test_the_codes_that_clients_know_have_the_severity_they_know(code: str, severity: Severity) -> None:
    assert BY_CODE[code].severity == severity


def test_every_code_is_spelled_in_capitals() -> None:
    assert [code for code in nonempty(BY_CODE) if not re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)] == []
