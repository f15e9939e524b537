"""Constraints: text in, typed controls out; what is not understood is kept, never dropped."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.core.facts import Facts
from stage0.policy import shipped_packs
from stage0.reading.constraints import Control
from stage0.reading.interpret import interpret
from stage0.reading.request import State
from tests.asserting import if_any
from tests.deciding import CALLER, NOW, request_of

PACK: Final = shipped_packs()["stage0-default"]


def controls_of(*texts: str) -> tuple[Control, ...]:
    """The controls that constraints become."""
    return interpret(request_of(constraints=list(texts)), PACK.knowledge).controls


def facts_of(*texts: str, **fields: Any) -> Facts:
    """The facts of a request with these constraints."""
    request = request_of(constraints=list(texts), **fields)
    return Facts(request, interpret(request, PACK.knowledge), PACK, State(CALLER), NOW, "")


#: Text to kind, value and whether asking for it is a declared guardrail.
UNDERSTOOD: Final[dict[str, tuple[str, Any, str]]] = {
    "approval required": ("approval", None, "declared"),
    "Approval   Required": ("approval", None, "declared"),
    "human approval required": ("approval", None, "declared"),
    "require_approval": ("approval", None, "declared"),
    "require_approval: true": ("approval", None, "declared"),
    "requires-approval": ("approval", None, "declared"),
    "approval required before deployment": ("approval", None, "declared"),
    "must be approved by the owner": ("approval", None, "declared"),
    "需要審批": ("approval", None, "declared"),
    "需要审批": ("approval", None, "declared"),
    "需經主管核准": ("approval", None, "declared"),
    "承認が必要": ("approval", None, "declared"),
    "上長の承認が必要です": ("approval", None, "declared"),
    "human review required": ("human_review", None, "declared"),
    "需要人工審查": ("human_review", None, "declared"),
    "人間による確認が必要": ("human_review", None, "declared"),
    "approval_timeout:1h": ("approval_timeout", 3600.0, "declared"),
    "approvers:2": ("approvers", 2, "declared"),
    "required_role: admin": ("role", ("admin",), "declared"),
    "required_role: [Admin, dba]": ("role", ("Admin", "dba"), "declared"),
    "role:dba": ("role", ("dba",), "declared"),
    "allowed_environment:staging, dev": ("allowed_environment", ("staging", "dev"), ""),
    "allowed_change_window: weekdays": ("change_window", "weekdays", ""),
    "check_change_window": ("change_window", "business_hours", ""),
    "check_change_window: true": ("change_window", "business_hours", ""),
    "business-hours only": ("change_window", "business_hours", ""),
    "僅限上班時間": ("change_window", "business_hours", ""),
    "営業時間内のみ": ("change_window", "business_hours", ""),
    "rollback_plan_required": ("rollback_plan_required", None, ""),
    "rollback plan required": ("rollback_plan_required", None, ""),
    "需要回滾計畫": ("rollback_plan_required", None, ""),
    "ロールバック計画が必要": ("rollback_plan_required", None, ""),
    "require_ticket": ("require_ticket", None, ""),
    "需要工單": ("require_ticket", None, ""),
    "チケットが必要": ("require_ticket", None, ""),
    "runbook required": ("runbook_required", None, ""),
    "手順書が必要": ("runbook_required", None, ""),
    "mfa_required": ("mfa_required", None, ""),
    "require_mfa": ("mfa_required", None, ""),
    "MFA is required": ("mfa_required", None, ""),
    "需要多重驗證": ("mfa_required", None, ""),
    "多要素認証が必要": ("mfa_required", None, ""),
    "require_confirmation": ("require_confirmation", None, "declared"),
    "需要二次確認": ("require_confirmation", None, "declared"),
    "事前確認が必要": ("require_confirmation", None, "declared"),
    "dry_run_first": ("dry_run_first", None, "declared"),
    "dry-run first": ("dry_run_first", None, "declared"),
    "先試跑": ("dry_run_first", None, "declared"),
    "先にドライラン": ("dry_run_first", None, "declared"),
    "max_rows_affected: 1,000": ("max_rows_affected", 1000, ""),
    "max_records:50": ("max_records", 50, ""),
    "query_cost_limit: 2.50": ("query_cost_limit", 2.5, ""),
    "max_iterations: 5": ("max_iterations", 5, ""),
    "max iterations = 5": ("max_iterations", 5, ""),
    "timeout:300s": ("timeout", 300.0, ""),
    "max_cost_usd: $5": ("max_cost_usd", 5.0, ""),
    "max_cost_usd: 5 USD": ("max_cost_usd", 5.0, ""),
    "max_retries:3": ("max_retries", 3, ""),
    "resource_scope: repo/a, repo/b": ("resource_scope", ("repo/a", "repo/b"), ""),
    "resource_scope: arn:aws:s3:::bucket": ("resource_scope", ("arn:aws:s3:::bucket",), ""),
    "allowed_mcp_servers: github": ("allowed_mcp_servers", ("github",), ""),
    "allowed_tools: search": ("allowed_tools", ("search",), ""),
    "allowed_channels: slack": ("allowed_channels", ("slack",), ""),
    "tenant_isolation": ("tenant_isolation", None, ""),
    "租戶隔離": ("tenant_isolation", None, ""),
    "テナント分離": ("tenant_isolation", None, ""),
    "read-only": ("read_only", None, "declared"),
    "read-only data access": ("read_only", None, "declared"),
    "唯讀": ("read_only", None, "declared"),
    "読み取り専用": ("read_only", None, "declared"),
    "read-only preview before execution": ("preview", None, "declared"),
    "執行前預覽": ("preview", None, "declared"),
    "dry-run": ("dry_run", None, "declared"),
    "ドライランのみ": ("dry_run", None, "declared"),
    "sandbox": ("sandbox", None, "declared"),
    "沙盒環境": ("sandbox", None, "declared"),
    "staging-only": ("staging_only", None, "declared"),
    "ステージングのみ": ("staging_only", None, "declared"),
    "no external side effects": ("no_external_effects", None, "declared"),
    "無外部副作用": ("no_external_effects", None, "declared"),
    "content_policy: strict": ("content_policy", "strict", ""),
    "max_output_length: 500": ("max_output_length", 500, ""),
    "no_pii": ("no_pii", None, ""),
    "不含個資": ("no_pii", None, ""),
}


@pytest.mark.parametrize(("text", "expected"), UNDERSTOOD.items(), ids=UNDERSTOOD)
def test_a_constraint_becomes_a_control(text: str, expected: tuple[str, Any, str]) -> None:
    (control,) = controls_of(text)
    assert (control.kind, control.value, control.guard) == expected
    assert control.text == text


@pytest.mark.parametrize(
    "text",
    [
        "require_mfa: false",
        "approval required: no",
        "max_iterations: 0",
        "read-only: off",
        "dry_run = FALSE",
        "sandbox: no",
        "approvers: 0",
        "require_approval:false",
        "timeout: 0",
        "mfa: disabled",
    ],
)
def test_a_constraint_that_is_switched_off_gives_no_control(text: str) -> None:
    assert controls_of(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "no approval required",
        "approval not required",
        "approval is not required",
        "human approval is not needed",
        "does not require approval",
        "no need for approval",
        "without approval",
        "approval: not required",
        "approval required: not needed",
        "require_approval: n",
        "approval = optional",
        "approval optional",
        "無需審批",
        "不需要審批",
        "無須核准",
        "承認は不要",
        "承認不要",
        "承認なし",
    ],
)
def test_saying_that_no_approval_is_needed_asks_for_none(text: str) -> None:
    assert [
        control.kind for control in if_any(controls_of(text)) if control.family == "approval" or control.guard
    ] == []


@pytest.mark.parametrize(
    "text",
    ["be nice", "請小心", "気をつけて", "approval", "max_iterations", "", " ", ": 5", "required_roles_of_the_team: 3"],
)
def test_no_constraint_is_dropped_in_silence(text: str) -> None:
    (control,) = controls_of(text)
    assert control.text == text


@pytest.mark.parametrize("text", ["be nice to the interns", "請小心", "気をつけて", "retention: 5 years", ":", "🙂"])
def test_what_is_not_understood_is_kept_as_unknown_and_guards_nothing(text: str) -> None:
    (control,) = controls_of(text)
    assert (control.kind, control.guard, control.text) == ("unknown", "", text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("max_iterations: several", "max_iterations"),
        ("max_iterations: -1", "max_iterations"),
        ("max_iterations: 2.5", "max_iterations"),
        ("max_iterations: 1e3", "max_iterations"),
        ("max_iterations", "max_iterations"),
        ("timeout: soon", "timeout"),
        ("timeout: 5 fortnights", "timeout"),
        ("timeout: -5s", "timeout"),
        ("max_cost_usd: 500 JPY", "max_cost_usd"),
        ("max_cost_usd: €5", "max_cost_usd"),
        ("max_cost_usd: NaN", "max_cost_usd"),
        ("max_cost_usd: Infinity", "max_cost_usd"),
        ("required_role:", "role"),
        ("required_role: true", "role"),
        ("allowed_tools: ,", "allowed_tools"),
        ("approval_timeout: whenever", "approval_timeout"),
        ("approvers: two", "approvers"),
    ],
)
def test_a_value_that_cannot_be_read_is_invalid_and_guards_nothing(text: str, kind: str) -> None:
    (control,) = controls_of(text)
    assert (control.kind, control.value, control.guard) == ("invalid", kind, "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300", 300.0),
        ("300s", 300.0),
        ("300 seconds", 300.0),
        ("1.5m", 90.0),
        ("5 min", 300.0),
        ("2h", 7200.0),
        ("1 hour", 3600.0),
        ("7d", 604800.0),
        ("250ms", 0.25),
        ("5 Minutes", 300.0),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    (control,) = controls_of(f"timeout: {text}")
    assert control.value == seconds


@pytest.mark.parametrize(
    ("kind", "texts", "value"),
    [
        ("max_iterations", ["max_iterations: 9", "max_steps: 3"], 3),
        ("max_iterations", ["max_iterations: 3", "max_iterations: 9"], 3),
        ("timeout", ["timeout: 5m", "timeout: 1h", "max_runtime: 200s"], 200.0),
        ("max_cost_usd", ["max_cost_usd: 5", "budget_usd: 2"], 2.0),
        ("approval_timeout", ["approval_timeout: 7d", "approval_timeout: 30m"], 1800.0),
        ("approvers", ["approvers: 3", "approvers: 1"], 3),
    ],
)
def test_of_two_limits_the_stricter_counts(kind: str, texts: list[str], value: float) -> None:
    control = facts_of(*texts).control(kind)
    assert control is not None
    assert control.value == value


@pytest.mark.parametrize(
    ("text", "effects"),
    [
        ("require human approval for destructive actions", {"delete", "irreversible", "bulk"}),
        ("approval required for customer-facing channels", {"external_message", "publish"}),
        ("approval required for refunds", {"money_movement"}),
        ("require approval for deployment", {"deployment"}),
    ],
)
def test_a_condition_names_the_effects_to_which_it_applies(text: str, effects: set[str]) -> None:
    (control,) = controls_of(text)
    assert control.kind == "approval"
    assert control.effects is not None
    assert effects <= control.effects
    assert "write" not in control.effects


def test_a_condition_that_is_not_understood_always_asks_and_never_guards() -> None:
    (control,) = controls_of("require approval for the blue ones")
    assert (control.kind, control.effects, control.guard) == ("approval", None, "")


def test_a_conditional_approval_applies_only_where_its_effect_is_present() -> None:
    text = "require human approval for destructive actions"
    assert facts_of(text, side_effects=["delete"]).approval_control is not None
    assert facts_of(text, side_effects=["write"]).approval_control is None
