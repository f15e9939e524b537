"""Clients as they are published, on `requests` and on the standard library alone, work unmodified."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any, Final

import pytest
import requests

from tests.asserting import nonempty
from tests.running import KEY, Server
from tests.server.issuing import new_key, put

PLAIN: Final[dict[str, Any]] = {"content-type": "application/json"}


class Blocked(RuntimeError):
    """What the sample of the Agents SDK raises."""


def authorize_or_raise(
    server: Server, goal: str, tool_name: str, side_effects: list[str], context: dict[str, Any]
) -> dict[str, Any]:
    """The sample for the OpenAI Agents SDK."""
    response = requests.post(
        f"{server.url}/check",
        headers={"x-api-key": KEY, "content-type": "application/json"},
        json={
            "goal": goal,
            "tools": [tool_name],
            "side_effects": side_effects,
            "constraints": ["require human approval for destructive actions"],
            "context": context,
        },
        timeout=5,
    )
    response.raise_for_status()
    decision: dict[str, Any] = response.json()
    if decision["verdict"] != "ALLOW":
        raise Blocked(f"Stage0 blocked tool call: {decision}")
    return decision


def gate(server: Server, state: dict[str, Any]) -> str:
    """The sample for LangGraph: a gate node, and the route that follows from its verdict."""
    response = requests.post(
        f"{server.url}/check",
        headers={"x-api-key": KEY},
        json={
            "goal": state["goal"],
            "tools": [state["tool_name"]],
            "side_effects": state.get("side_effects", []),
            "context": state.get("context", {}),
        },
        timeout=5,
    )
    response.raise_for_status()
    verdict = response.json()["verdict"]
    return {"ALLOW": "tools", "DEFER": "human_review"}.get(verdict, "blocked")


def fetch(url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """The standard library's client. Gives status and body, also of an error."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {**PLAIN, **headers})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_agents_sdk_sample_lets_a_reading_tool_run(server: Server) -> None:
    decision = authorize_or_raise(server, "List the open tickets", "search_tickets", [], {})
    assert decision["request_id"].startswith("req_")
    assert decision["policy_version"]


def test_the_agents_sdk_sample_stops_a_deletion_that_nobody_approved(server: Server) -> None:
    with pytest.raises(Blocked, match="APPROVAL_REQUIRED_PENDING"):
        authorize_or_raise(
            server, "Delete customer 42", "delete_customer", ["data deletion"], {"environment": "production"}
        )


@pytest.mark.parametrize(
    ("state", "route"),
    [
        ({"goal": "List the open tickets", "tool_name": "search_tickets"}, "tools"),
        ({"goal": "Help", "tool_name": "search_tickets"}, "human_review"),
        ({"goal": "Delete all users", "tool_name": "delete_users", "side_effects": ["data deletion"]}, "blocked"),
    ],
)
def test_the_langgraph_sample_routes_by_verdict(state: dict[str, Any], route: str, server: Server) -> None:
    assert gate(server, state) == route


@pytest.mark.parametrize(
    ("arguments", "is_error"),
    [
        ({"actorRole": "support", "approvalStatus": "pending", "environment": "production"}, True),
        ({"actorRole": None, "approvalStatus": None, "environment": None}, True),
    ],
)
def test_the_mcp_sample_returns_the_whole_decision_as_an_error(
    arguments: dict[str, Any], is_error: bool, server: Server
) -> None:
    """The handler of an internal tool; what JavaScript leaves `undefined` is absent, what it sets null is null."""
    status, decision = fetch(
        f"{server.url}/check",
        {
            "goal": "Delete a customer record after support confirmation",
            "tools": ["delete_customer"],
            "side_effects": ["data deletion"],
            "constraints": ["approval required", "business-hours only"],
            "context": {
                "actor_role": arguments["actorRole"],
                "approval_status": arguments["approvalStatus"],
                "environment": arguments["environment"],
            },
        },
        {"x-api-key": KEY},
    )
    assert status == 200
    assert (decision["verdict"] != "ALLOW") == is_error
    assert json.loads(json.dumps(decision, indent=2)) == decision


def test_the_curl_sample_of_the_quickstart_is_answered(server: Server) -> None:
    body = b'{"goal":"test","success_criteria":["ok"],"constraints":[],"tools":[],"side_effects":[],"pro":false}'
    answer = server.request("POST", "/check", body, {"Content-Type": "application/json", "X-API-Key": KEY})
    assert answer.status == 200
    assert answer.body["verdict"] in ("ALLOW", "DENY", "DEFER")


def test_a_client_may_keep_its_connection_for_many_checks(server: Server) -> None:
    with requests.Session() as session:
        session.headers.update({"x-api-key": KEY})
        ids = set()
        for number in range(5):
            body = {"goal": f"List ticket {number}", "tools": ["search_tickets"]}
            response = session.post(f"{server.url}/check", json=body, timeout=5)
            response.raise_for_status()
            ids.add(response.json()["request_id"])
    assert len(ids) == 5


def test_a_client_that_sends_pieces_of_a_body_is_answered(server: Server) -> None:
    pieces = (piece for piece in [b'{"goal": "List the ', b'open tickets", "tools"', b': ["search_tickets"]}'])
    response = requests.post(f"{server.url}/check", data=pieces, headers={"x-api-key": KEY, **PLAIN}, timeout=5)
    assert response.json()["verdict"] == "ALLOW"


def test_a_client_on_http_1_0_is_answered(server: Server) -> None:
    class Old(http.client.HTTPConnection):
        _http_vsn = 10
        _http_vsn_str = "HTTP/1.0"

    connection = Old("127.0.0.1", server.port, timeout=5)
    body = json.dumps({"goal": "List the open tickets", "tools": ["search_tickets"]})
    connection.request("POST", "/check", body, {"x-api-key": KEY, **PLAIN})
    response = connection.getresponse()
    assert (response.status, json.load(response)["verdict"]) == (200, "ALLOW")
    connection.close()


def test_design_and_health_are_read_without_a_key(server: Server) -> None:
    assert fetch(f"{server.url}/stage0/design", None, {})[1]["positioning"] == "Runtime policy gate"
    assert fetch(f"{server.url}/health", None, {})[1]["ok"] is True


def _refusals(server: Server, free: str) -> dict[int, tuple[dict[str, Any], str]]:
    """Status to a body and a key that get it."""
    disabled = new_key(server)
    put(server, disabled, "disabled")
    good = {"goal": "List the open tickets", "tools": ["search_tickets"]}
    return {
        401: (good, "nobody-has-this-key-0001"),
        402: ({**good, "pro": True}, free),
        403: (good, disabled.text),
        422: ({"tools": ["search_tickets"]}, KEY),
    }


def test_a_refusal_carries_error_message_and_detail_for_urllib(server: Server, plan_keys: dict[str, str]) -> None:
    for expected, (body, key) in nonempty(_refusals(server, plan_keys["free"]).items()):
        status, refused = fetch(f"{server.url}/check", body, {"x-api-key": key})
        assert status == expected
        assert isinstance(refused["error"], str)
        assert refused["message"] == refused["detail"]["detail"]
        assert refused["detail"]["request_id"] == refused["request_id"]


def test_a_refusal_is_an_exception_for_requests_and_its_body_can_still_be_read(
    server: Server, plan_keys: dict[str, str]
) -> None:
    for expected, (body, key) in nonempty(_refusals(server, plan_keys["free"]).items()):
        response = requests.post(f"{server.url}/check", json=body, headers={"x-api-key": key}, timeout=5)
        with pytest.raises(requests.HTTPError, match=str(expected)):
            response.raise_for_status()
        assert {"error", "message", "detail", "request_id"} <= response.json().keys()
        assert "verdict" not in response.json()


@pytest.mark.parametrize("size", [1_000_001, 1_500_000, 5_000_000])
def test_a_body_that_is_too_large_gets_its_413_although_the_client_is_still_sending(size: int, server: Server) -> None:
    """Not a broken connection, which a client would take for a network failure and try again."""
    body = {"goal": "List the open tickets", "context": {"note": "x" * size}}
    for _ in range(10):
        status, refused = fetch(f"{server.url}/check", body, {"x-api-key": KEY})
        assert (status, refused["error"]) == (413, "body_too_large")
