"""The answer and the errors of every endpoint have the fields, types and statuses of the contract."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from stage0.ledger.ids import time_of
from stage0.ledger.plans import shipped_plans
from stage0.policy import shipped_packs
from stage0.server.errors import error_body, internal
from tests.asserting import if_any, nonempty
from tests.running import KEY, Answer, Server
from tests.server.issuing import new_key

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
DELETE: Final[dict[str, Any]] = {"goal": "Delete all users", "tools": ["delete_users"]}
UNAPPROVED: Final[dict[str, Any]] = {
    "goal": "Delete the branch old-login",
    "tools": ["delete_branch"],
    "constraints": ["approval required"],
    "success_criteria": ["the branch is gone"],
    "context": {"environment": "staging"},
}
VALUE_AND_COST: Final = {"value_risk", "waste_risk", "value_findings", "cost_estimate"}
ALWAYS: Final[dict[str, type]] = {
    "decision": str,
    "verdict": str,
    "reason": str,
    "issues": list,
    "risk_score": int,
    "high_risk": bool,
    "clarifying_questions": list,
    "defer_questions": list,
    "constraints_applied": list,
    "request_id": str,
    "policy_version": str,
    "policy_pack_version": str,
    "timestamp": int,
    "evaluated_at": int,
    "decision_trace_summary": str,
    "task_hash": str,
    "cached": bool,
    "meta": dict,
    "guardrail_checks": dict,
}
BY_PLAN: Final[dict[str, type]] = {
    "guardrails": list,
    "value_risk": int,
    "waste_risk": int,
    "value_findings": list,
    "cost_estimate": dict,
}
OMITTED: Final = {
    "free": {"guardrails", *VALUE_AND_COST},
    "starter": VALUE_AND_COST,
    "pro": set(),
    "enterprise": set(),
}

each_answer = pytest.mark.parametrize(
    ("request_fields", "decision", "verdict"),
    [(READ, "GO", "ALLOW"), (DELETE, "NO_GO", "DENY"), (UNAPPROVED, "DEFER", "DEFER")],
    ids=["allow", "deny", "defer"],
)


# -- the answer


@pytest.mark.parametrize("plan", OMITTED)
def test_a_plan_gets_every_field_but_those_that_it_leaves_out(
    plan: str, server: Server, plan_keys: dict[str, str]
) -> None:
    answer = server.check(**READ, key=plan_keys[plan])
    assert answer.status == 200
    assert answer.body.keys() == (ALWAYS.keys() | BY_PLAN.keys()) - OMITTED[plan]


def test_the_plans_are_those_of_the_contract() -> None:
    limits = {
        name: (plan.price, plan.per_month, plan.per_day, plan.per_minute) for name, plan in shipped_plans().items()
    }
    unlimited = 2_147_483_647
    assert limits == {
        "free": (0, 1_000, 100, 20),
        "starter": (9, 25_000, 2_500, 120),
        "pro": (19, 250_000, 25_000, 600),
        "enterprise": (0, unlimited, unlimited, unlimited),
    }


@each_answer
def test_every_field_has_its_type(request_fields: dict[str, Any], decision: str, verdict: str, server: Server) -> None:
    body = server.check(**request_fields).body
    assert {name: type(body[name]) for name in ALWAYS | BY_PLAN} == ALWAYS | BY_PLAN


@each_answer
def test_decision_and_verdict_belong_together(
    request_fields: dict[str, Any], decision: str, verdict: str, server: Server
) -> None:
    body = server.check(**request_fields).body
    assert (body["decision"], body["verdict"]) == (decision, verdict)


@each_answer
def test_the_reason_of_a_stop_begins_with_the_worst_code_and_that_of_a_go_does_not(
    request_fields: dict[str, Any], decision: str, verdict: str, server: Server
) -> None:
    body = server.check(**request_fields).body
    if verdict == "ALLOW":
        assert not re.match(r"[A-Z_]+:", body["reason"])
    else:
        worst = body["issues"][0]
        assert body["reason"] == f"{worst['code']}: {worst['message']}"


@each_answer
def test_the_trace_summary_says_decision_risk_and_when_not_go_the_codes(
    request_fields: dict[str, Any], decision: str, verdict: str, server: Server
) -> None:
    body = server.check(**request_fields).body
    start = f"Decision: {decision} (verdict: {verdict}). Risk score: {body['risk_score']}."
    summary = body["decision_trace_summary"]
    if verdict == "ALLOW":
        assert summary == start
    else:
        assert summary.startswith(start)
        assert all(issue["code"] in summary for issue in nonempty(body["issues"]))


@each_answer
def test_issues_have_their_fields_and_stand_worst_first(
    request_fields: dict[str, Any], decision: str, verdict: str, server: Server
) -> None:
    issues = server.check(**request_fields).body["issues"]
    rank = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}
    assert [rank[issue["severity"]] for issue in issues] == sorted(rank[issue["severity"]] for issue in issues)
    for issue in if_any(issues):
        needed = {"code": str, "severity": str, "message": str, "details": dict}
        assert {name: type(issue[name]) for name in needed} == needed
        optional = {name: value for name, value in issue.items() if name not in needed}
        assert set(if_any(optional)) <= {"question", "remedy"}
        assert all(isinstance(value, str) and value for value in if_any(optional.values()))


@each_answer
def test_lists_of_sentences_hold_strings_and_numbers_stand_in_their_range(
    request_fields: dict[str, Any], decision: str, verdict: str, server: Server
) -> None:
    body = server.check(**request_fields).body
    for name in ("clarifying_questions", "defer_questions", "constraints_applied", "guardrails", "value_findings"):
        assert all(isinstance(item, str) and item for item in if_any(body[name])), name
    for name in ("risk_score", "value_risk", "waste_risk"):
        assert 0 <= body[name] <= 100
    cost = body["cost_estimate"]
    assert cost.keys() == {"currency", "min", "max", "assumptions"}
    assert cost["currency"] == "USD"
    assert 0 <= cost["min"] <= cost["max"]


def test_a_defer_says_whom_to_ask_what(server: Server) -> None:
    body = server.check(**UNAPPROVED).body
    assert body["defer_questions"]
    assert {issue["question"] for issue in body["issues"] if issue["severity"] == "MEDIUM"} == set(
        body["defer_questions"]
    )


def test_guardrail_checks_are_keyed_by_family_and_say_how_each_came_out(server: Server) -> None:
    checks = server.check(**UNAPPROVED).body["guardrail_checks"]
    assert checks["approval"]["status"] == "missing"
    assert checks["approval"]["controls"] == ["approval required"]
    assert checks["approval"]["issues"] == ["APPROVAL_REQUIRED_PENDING"]


def test_meta_says_live_no_test_mode_and_the_lane_of_each_fact(server: Server) -> None:
    meta = server.check(**UNAPPROVED).body["meta"]
    assert (meta["source"], meta["test_mode"]) == ("live", False)
    assert meta["evidence"] == {"environment": "asserted", "clock": "verified"}


def test_an_answer_is_not_cached_and_names_one_policy_and_one_time(server: Server) -> None:
    body = server.check(**READ).body
    assert body["cached"] is False
    assert body["policy_version"] == body["policy_pack_version"] == shipped_packs()["stage0-default"].id
    assert re.fullmatch(r"[a-z0-9-]+@[0-9.]+", body["policy_version"])
    assert body["timestamp"] == body["evaluated_at"] == int(time_of(body["request_id"]))


def test_the_same_action_has_the_same_task_hash_and_another_one_another(server: Server) -> None:
    one, same, other = (server.check(**fields).body["task_hash"] for fields in (READ, READ, DELETE))
    assert one == same != other


# -- request ids


def test_a_request_id_is_made_where_none_is_sent_and_stands_in_header_and_body(server: Server) -> None:
    answer = server.check(**READ)
    assert re.fullmatch(r"req_[0-9a-z]{26}", answer.body["request_id"])
    assert answer.headers["x-request-id"] == answer.body["request_id"]


@pytest.mark.parametrize("sent", ["trace-1", "a/b:c?d=e&f", "x" * 200])
def test_a_sent_request_id_is_echoed_in_the_header_while_the_body_keeps_ours(sent: str, server: Server) -> None:
    answer = server.post("/check", READ, headers={"X-Request-Id": sent})
    assert answer.headers["x-request-id"] == sent
    assert re.fullmatch(r"req_[0-9a-z]{26}", answer.body["request_id"])
    assert server.get(f"/checks/{answer.body['request_id']}", key=KEY).body["sent_request_id"] == sent


@pytest.mark.parametrize("sent", ["", "   ", "x" * 201, "h\xe9", "tab\there"], ids=repr)
def test_an_odd_request_id_is_not_echoed(sent: str, server: Server) -> None:
    answer = server.post("/check", READ, headers={"X-Request-Id": sent})
    assert answer.status == 200
    assert answer.headers["x-request-id"] == answer.body["request_id"]


def test_an_error_echoes_the_request_id_too(server: Server) -> None:
    answer = server.post("/check", {"goal": ""}, headers={"X-Request-Id": "trace-2"})
    assert answer.status == 422
    assert answer.headers["x-request-id"] == "trace-2"
    assert answer.body["request_id"].startswith("req_")


# -- plan and policy


@pytest.mark.parametrize("plan", ["free", "starter"])
def test_pro_below_pro_is_402_and_its_message_lacks_the_word_quota(
    plan: str, server: Server, plan_keys: dict[str, str]
) -> None:
    answer = server.check(**READ, pro=True, key=plan_keys[plan])
    assert (answer.status, answer.body["error"]) == (402, "pro_plan_required")
    assert "quota" not in answer.raw.decode().lower()


@pytest.mark.parametrize("plan", ["pro", "enterprise"])
def test_pro_on_pro_and_above_is_answered(plan: str, server: Server, plan_keys: dict[str, str]) -> None:
    assert server.check(**READ, pro=True, key=plan_keys[plan]).status == 200


@pytest.mark.parametrize("version", ["", shipped_packs()["stage0-default"].id])
def test_an_empty_or_the_active_policy_version_is_answered(version: str, server: Server) -> None:
    assert server.check(**READ, policy_pack_version=version).status == 200


@pytest.mark.parametrize("version", ["2026-03-01", "stage0-default", shipped_packs()["stage0-strict"].id])
def test_another_policy_version_is_409(version: str, server: Server) -> None:
    answer = server.check(**READ, policy_pack_version=version)
    assert (answer.status, answer.body["error"]) == (409, "policy_version_mismatch")
    assert shipped_packs()["stage0-default"].id in answer.body["message"]


def test_with_the_scope_policy_pin_the_other_shipped_pack_decides(server: Server) -> None:
    key = new_key(server, "check", "policy:pin")
    strict = shipped_packs()["stage0-strict"].id
    pinned = server.check(**READ, policy_pack_version=strict, key=key.text)
    assert pinned.status == 200
    assert pinned.body["policy_version"] == pinned.body["policy_pack_version"] == strict
    assert server.check(**READ, policy_pack_version="nothing@1", key=key.text).status == 409
    assert server.check(**READ, key=key.text).body["policy_version"] == shipped_packs()["stage0-default"].id


def test_a_key_bound_to_the_strict_pack_is_decided_by_it(server: Server) -> None:
    key = new_key(server, pack="stage0-strict")
    assert server.check(**READ, key=key.text).body["policy_version"] == shipped_packs()["stage0-strict"].id


# -- errors


def _errors(server: Server, free: str, read_only: str) -> dict[str, Answer]:
    request = json.dumps(READ).encode()
    kind = {"content-type": "application/json"}
    return {
        "401 api_key_missing": server.request("POST", "/check", request, kind),
        "401 api_key_invalid": server.check(**READ, key="nobody-has-this-key-0001"),
        "402 pro_plan_required": server.check(**READ, pro=True, key=free),
        "403 scope_missing": server.check(**READ, key=read_only),
        "404 not_found": server.get("/checks/req_00000000000000000000000000", key=KEY),
        "405 method_not_allowed": server.get("/check", key=KEY),
        "409 policy_version_mismatch": server.check(**READ, policy_pack_version="other"),
        "413 body_too_large": server.check(**READ, context={"x": "y" * 1_000_000}),
        "415 unsupported_media_type": server.post("/check", READ, headers={"content-type": "text/plain"}),
        "422 validation_failed": server.check(goal=1),
    }


def test_every_error_has_the_one_shape(server: Server, plan_keys: dict[str, str]) -> None:
    found = _errors(server, plan_keys["free"], new_key(server, "read").text)
    for name, answer in nonempty(found.items()):
        body = answer.body
        assert f"{answer.status} {body['error']}" == name
        assert isinstance(body["message"], str), name
        assert body["message"], name
        assert body["detail"]["detail"] == body["message"], name
        assert body["detail"]["request_id"] == body["request_id"], name
        assert re.fullmatch(r"req_[0-9a-z]{26}", body["request_id"]), name
        assert answer.headers["x-request-id"] == body["request_id"], name
        assert answer.headers["content-type"] == "application/json", name
        assert "verdict" not in body, name
        assert "decision" not in body, name
    assert found["422 validation_failed"].body["fields"][0]["path"] == "goal"
    assert found["405 method_not_allowed"].headers["allow"] == "POST"


def test_no_error_leaves_a_record(server: Server, plan_keys: dict[str, str]) -> None:
    def newest() -> Any:
        return server.get("/checks?limit=1", key=KEY).body["checks"][0]["request_id"]

    server.check(**READ)
    before = newest()
    for answer in nonempty(_errors(server, plan_keys["free"], new_key(server, "read").text).values()):
        assert server.get(f"/checks/{answer.body['request_id']}", key=KEY).status == 404
    assert newest() == before


def test_the_500_body_is_an_error_and_also_a_decision_that_stops() -> None:
    body = json.loads(error_body(internal(), "req_x"))
    assert (body["error"], body["decision"], body["verdict"]) == ("internal_error", "ERROR", "DEFER")
    assert body["issues"][0]["code"] == "INTERNAL_ERROR"
    assert body["detail"] == {"detail": body["message"], "request_id": "req_x"}


# -- health


def test_health_is_open_and_says_what_runs(server: Server) -> None:
    answer = server.get("/health")
    assert answer.status == 200
    assert answer.body["ok"] is True
    assert answer.body["policy_pack_version"] == shipped_packs()["stage0-default"].id
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", answer.body["version"])
    assert answer.body["store"] == "sqlite"
