"""Every bad input gets its contract status, a message that names the field, and changes nothing."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from stage0.wire import BODY_LIMIT
from tests.asserting import nonempty
from tests.running import KEY, Server

GOOD: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
JSON: Final = {"content-type": "application/json"}


def with_(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def nested(depth: int) -> bytes:
    """A body whose deepest object or list is at this depth."""
    return b'{"goal": "List tickets", "context": {"x": ' + b"[" * (depth - 2) + b"]" * (depth - 2) + b"}}"


def padded(size: int) -> bytes:
    """A valid body of exactly this many bytes."""
    start, end = b'{"goal": "List the open tickets", "context": {"note": "', b'"}}'
    return start + b"x" * (size - len(start) - len(end)) + end


REFUSED: Final[dict[str, tuple[bytes, str]]] = {
    "an empty body": (b"", "body"),
    "white space": (b"  \n", "body"),
    "not JSON": (b"goal=test", "body"),
    "half a document": (b'{"goal": "x"', "body"),
    "two documents": (b'{"goal": "x"} {}', "body"),
    "a list": (b'[{"goal": "x"}]', "body"),
    "a string": (b'"goal"', "body"),
    "null": (b"null", "body"),
    "not UTF-8": (b'{"goal": "\xff"}', "body"),
    "a duplicate key": (b'{"goal": "List tickets", "goal": "Delete all users"}', "goal"),
    "a duplicate key deep inside": (
        b'{"goal": "List tickets", "context": {"confirmed": false, "confirmed": true}}',
        "confirmed",
    ),
    "a duplicate key in an unknown field": (b'{"goal": "List tickets", "more": {"a": 1, "a": 2}}', "a"),
    "NaN": (b'{"goal": "List tickets", "context": {"cumulative_cost_usd": NaN}}', "body"),
    "Infinity": (b'{"goal": "List tickets", "context": {"cumulative_cost_usd": Infinity}}', "body"),
    "a number too large": (b'{"goal": "List tickets", "context": {"cumulative_cost_usd": 1e999}}', "body"),
    "a number with too many digits": (b'{"goal": "List tickets", "context": {"x": ' + b"9" * 201 + b"}}", "body"),
    "a fraction with too many digits": (b'{"goal": "List tickets", "context": {"x": 0.' + b"1" * 199 + b"}}", "body"),
    "a lone surrogate in the goal": (b'{"goal": "List \\ud800 tickets"}', "goal"),
    "a lone surrogate in a key": (b'{"goal": "List tickets", "context": {"\\udfff": 1}}', "context"),
    "U+0000 in the goal": (b'{"goal": "List\\u0000 tickets"}', "goal"),
    "U+0000 deep inside": (
        b'{"goal": "List tickets", "context": {"tool_arguments": {"a": ["\\u0000"]}}}',
        "context.tool_arguments.a[0]",
    ),
    "a raw control character": (b'{"goal": "List\x00tickets"}', "body"),
    "no goal": (b'{"tools": ["x"]}', "goal"),
    "an empty goal": (with_(goal=""), "goal"),
    "a blank goal": (with_(goal=" \t\n"), "goal"),
    "a goal of 8,001 characters": (with_(goal="x" * 8001), "goal"),
    "a goal that is a number": (with_(goal=5), "goal"),
    "a goal that is null": (with_(goal=None), "goal"),
    "criteria that are a string": (with_(success_criteria="done"), "success_criteria"),
    "constraints that are an object": (with_(constraints={"a": 1}), "constraints"),
    "a constraint that is a number": (with_(constraints=["read-only", 7]), "constraints[1]"),
    "tools that are a string": (with_(tools="shell"), "tools"),
    "a tool that is null": (with_(tools=[None]), "tools[0]"),
    "side effects that are true": (with_(side_effects=True), "side_effects"),
    "a context that is a list": (with_(context=[]), "context"),
    "a pro that is a string": (with_(pro="true"), "pro"),
    "a pro that is a number": (with_(pro=1), "pro"),
    "a policy version that is a number": (with_(policy_pack_version=1), "policy_pack_version"),
    "a debug flag that is null": (with_(debug_store_input=None), "debug_store_input"),
    "201 tools": (with_(tools=["t"] * 201), "tools"),
    "201 constraints": (with_(constraints=["c"] * 201), "constraints"),
    "an item of 2,001 characters": (with_(side_effects=["x" * 2001]), "side_effects[0]"),
    "1,001 targets": (with_(context={"target_resources": ["t"] * 1001}), "context.target_resources"),
    "a scope of 2,001 characters": (with_(context={"resource_scope": ["a", "x" * 2001]}), "context.resource_scope[1]"),
    "1,001 recent tools in the loop's state": (
        with_(context={"loop_state": {"recent_tools": ["t"] * 1001}}),
        "context.loop_state.recent_tools",
    ),
    "approvers of 8,001 characters": (with_(context={"approved_by": "x" * 8001}), "context.approved_by"),
    "nesting of 33": (nested(33), ""),
    "nesting of 5,000": (nested(5000), ""),
}


def _records(server: Server) -> int:
    return len(server.get("/checks?limit=200", key=KEY).body["checks"])


@pytest.mark.parametrize(("body", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_a_body_that_is_not_valid_is_422_and_names_the_field(body: bytes, field: str, server: Server) -> None:
    before = server.get("/checks?limit=1", key=KEY).body["checks"]
    answer = server.post("/check", body)
    assert answer.status == 422, answer.body
    assert answer.body["error"] == "validation_failed"
    assert answer.body["message"]
    [named] = answer.body["fields"]
    assert named["message"]
    if field:
        assert named["path"] == field
        assert field in answer.body["message"]
    assert answer.body["detail"]["detail"] == answer.body["message"]
    assert answer.body["detail"]["request_id"] == answer.body["request_id"]
    assert "verdict" not in answer.body
    assert server.get("/checks?limit=1", key=KEY).body["checks"] == before


ACCEPTED: Final[dict[str, bytes]] = {
    "a goal of 8,000 characters": with_(goal="List the open tickets " + "x" * 7978),
    "a goal that is too long only before trimming": with_(goal=" " * 9000 + "List the open tickets"),
    "200 tools": with_(tools=["search_tickets"] * 200),
    "an item of 2,000 characters": with_(success_criteria=["x" * 2000]),
    "nesting of 32": nested(32),
    "an unknown field": with_(more={"a": 1}),
    "unknown context": with_(context={"anything": {"goes": [1, 2.5, None, True]}}),
    "a null in context": with_(context={"actor_role": None}),
    "a whole number beyond 64 bits": with_(context={"anything": 10**40}),
    "a number of 200 digits": with_(context={"anything": 10**199}),
    "an emoji as a surrogate pair": b'{"goal": "List the tickets about \\ud83d\\ude00", "tools": ["search_tickets"]}',
    "a body of exactly the limit": padded(BODY_LIMIT),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_body_just_inside_the_limits_is_processed(body: bytes, server: Server) -> None:
    answer = server.post("/check", body)
    assert answer.status == 200, answer.body
    assert server.get(f"/checks/{answer.body['request_id']}", key=KEY).status == 200


def test_one_byte_over_the_limit_is_413(server: Server) -> None:
    answer = server.post("/check", padded(BODY_LIMIT + 1))
    assert (answer.status, answer.body["error"]) == (413, "body_too_large")


def test_a_large_body_without_a_length_is_413(server: Server) -> None:
    chunks = iter([padded(BODY_LIMIT), b" " * 1000])
    answer = server.request("POST", "/check", chunks, {"x-api-key": KEY, **JSON})  # type: ignore[arg-type]
    assert (answer.status, answer.body["error"]) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_another_content_type_is_415(kind: str, server: Server) -> None:
    answer = server.post("/check", GOOD, headers={"content-type": kind})
    assert (answer.status, answer.body["error"]) == (415, "unsupported_media_type")


def test_a_content_type_with_a_charset_is_fine(server: Server) -> None:
    assert server.post("/check", GOOD, headers={"content-type": "Application/JSON; charset=utf-8"}).status == 200


@pytest.mark.parametrize("headers", [JSON, {}], ids=["said to be JSON", "not said to be anything"])
def test_no_body_at_all_is_422(headers: dict[str, str], server: Server) -> None:
    answer = server.request("POST", "/check", None, {"x-api-key": KEY, **headers})
    assert (answer.status, answer.body["error"]) == (422, "validation_failed")


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "api_key_missing"),
        ("", "api_key_missing"),
        ("   ", "api_key_missing"),
        ("short", "api_key_invalid"),
        ("no-such-key-0123456789abcdef", "api_key_invalid"),
        ("s0_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa000000", "api_key_invalid"),
        ("x" * 5000, "api_key_invalid"),
        ("schlüssel-mit-umlaut-0123456789", "api_key_invalid"),
    ],
)
def test_a_missing_malformed_or_unknown_key_is_401(key: str | None, code: str, server: Server) -> None:
    headers = JSON if key is None else {**JSON, "x-api-key": key}
    answer = server.request("POST", "/check", json.dumps(GOOD).encode(), headers)
    assert (answer.status, answer.body["error"]) == (401, code)


def test_the_key_is_looked_at_before_the_body(server: Server) -> None:
    assert server.request("POST", "/check", b"nonsense", {**JSON, "x-api-key": "x" * 30}).status == 401


INVALID_VALUES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "confirmed as text": ({"confirmed": "false"}, "require_confirmation"),
    "confirmed as a number": ({"confirmed": 1}, "require_confirmation"),
    "dry run as text": ({"dry_run_completed": "true"}, "dry_run_first"),
    "a negative iteration": ({"current_iteration": -5}, "max_iterations:3"),
    "an iteration as text": ({"current_iteration": "1"}, "max_iterations:3"),
    "a fractional iteration": ({"current_iteration": 1.5}, "max_iterations:3"),
    "rows in words": ({"estimated_rows_affected": "many"}, "max_rows_affected: 100"),
    "a cost that is true": ({"cumulative_cost_usd": True}, "max_cost_usd:5"),
    "mfa as text": ({"mfa_verified": "yes"}, "mfa_required"),
    "approved as text": ({"approved": "true"}, "approval required"),
    "a status nobody knows": ({"approval_status": "APPROVED!"}, "approval required"),
    "an approval time without offset": ({"approved": True, "approved_at": "2026-03-14T09:30:00"}, "approval required"),
    "a role as a list": ({"actor_role": ["admin"]}, "required_role:admin"),
    "loop state as text": ({"loop_state": "fine"}, "max_iterations:3"),
}


@pytest.mark.parametrize(("context", "constraint"), INVALID_VALUES.values(), ids=INVALID_VALUES.keys())
def test_a_context_value_of_an_unexpected_type_never_widens(
    context: dict[str, Any], constraint: str, server: Server
) -> None:
    answer = server.check(
        goal="List the open tickets", tools=["search_tickets"], constraints=[constraint], context=context
    )
    assert answer.status == 200
    assert answer.body["verdict"] == "DEFER"
    [issue] = [issue for issue in answer.body["issues"] if issue["code"] == "CONTEXT_VALUE_INVALID"]
    assert issue["severity"] == "MEDIUM"
    assert all(field.startswith("context.") for field in nonempty(issue["details"]["fields"]))


def test_a_context_value_that_no_rule_reads_is_only_noted(server: Server) -> None:
    answer = server.check(goal="List the open tickets", tools=["search_tickets"], context={"mfa_verified": "yes"})
    assert answer.body["verdict"] == "ALLOW"
    assert {"CONTEXT_VALUE_INVALID"} <= {issue["code"] for issue in answer.body["issues"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/check", 405),
        ("PUT", "/check", 405),
        ("POST", "/health", 405),
        ("DELETE", "/checks", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/", 404),
        ("GET", "/check/", 404),
        ("OPTIONS", "*", 404),
    ],
)
def test_a_wrong_method_or_address_has_the_one_error_shape(method: str, path: str, status: int, server: Server) -> None:
    answer = server.request(method, path, headers={"x-api-key": KEY})
    assert answer.status == status
    assert {"error", "message", "detail", "request_id"} <= answer.body.keys()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("verdict=MAYBE", "verdict"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("since=yesterday", "since"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_query_is_422_and_names_the_parameter(query: str, field: str, server: Server) -> None:
    answer = server.get(f"/checks?{query}", key=KEY)
    assert answer.status == 422
    assert answer.body["fields"][0]["path"] == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b"{}", "status"),
        (b'{"status": "done"}', "status"),
        (b'{"status": "executed", "cost_usd": -1}', "cost_usd"),
        (b'{"status": "executed", "cost": 1}', "cost"),
        (b'{"status": "executed", "detail": "\\u0000"}', "detail"),
    ],
)
def test_a_wrong_outcome_is_422_and_names_the_field(body: bytes, field: str, server: Server) -> None:
    checked = server.check(**GOOD)
    answer = server.post(f"/checks/{checked.body['request_id']}/outcome", body)
    assert answer.status == 422, answer.body
    assert answer.body["fields"][0]["path"] == field
    assert server.get(f"/checks/{checked.body['request_id']}", key=KEY).body["outcomes"] == []
