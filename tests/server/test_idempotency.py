"""`Idempotency-Key` over HTTP: one request is decided, recorded and counted once, however often it arrives."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from stage0.ledger.usage import Limits
from tests.asserting import nonempty
from tests.running import Answer, Server
from tests.server.issuing import Issued, limit, move, new_account, new_key, put, rotate, within_a_minute

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
DELETE: Final[dict[str, Any]] = {"goal": "Delete all users", "tools": ["delete_users"]}


def _check(server: Server, key: Issued, token: str, body: Any = READ) -> Answer:
    return server.post("/check", body, key=key.text, headers={"idempotency-key": token})


def _used(server: Server, key: Issued) -> int:
    used: int = server.get("/usage", key=key.text).body["monthly_used"]
    return used


def _records(server: Server, key: Issued) -> list[str]:
    return [record["request_id"] for record in server.get("/checks", key=key.text).body["checks"]]


def _assert_refused(answer: Answer, status: int, error: str) -> None:
    assert (answer.status, answer.body["error"]) == (status, error)
    assert "verdict" not in answer.body


@pytest.mark.parametrize("body", [READ, DELETE], ids=["allow", "deny"])
def test_the_same_key_and_body_get_the_same_answer_and_count_once(body: dict[str, Any], server: Server) -> None:
    key = new_key(server, plan="pro")
    first = _check(server, key, "one", body)
    again = [_check(server, key, "one", body) for _ in range(3)]
    assert first.body["cached"] is False
    for answer in nonempty(again):
        assert answer.status == 200
        assert answer.body == {**first.body, "cached": True}
        assert answer.headers["x-request-id"] == first.body["request_id"]
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= answer.headers.keys()
    assert _records(server, key) == [first.body["request_id"]]
    assert _used(server, key) == 1
    assert server.get(f"/checks/{first.body['request_id']}", key=key.text).body["answer"]["cached"] is False


def test_sixteen_at_once_are_one(server: Server) -> None:
    key = new_key(server, plan="pro")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: _check(server, key, "at once"), range(16)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.body["cached"] for answer in answers) == [False] + [True] * 15
    assert len({answer.body["request_id"] for answer in answers}) == 1
    assert len(_records(server, key)) == 1
    assert _used(server, key) == 1


def test_without_the_header_the_same_body_counts_each_time(server: Server) -> None:
    key = new_key(server, plan="pro")
    assert [server.check(**READ, key=key.text).body["cached"] for _ in range(2)] == [False, False]
    assert _used(server, key) == 2


def test_another_body_is_409_and_leaves_the_stored_answer(server: Server) -> None:
    key = new_key(server, plan="pro")
    first = _check(server, key, "one")
    _assert_refused(_check(server, key, "one", DELETE), 409, "idempotency_conflict")
    # Bytes are compared, so the same value written in another way is another body.
    _assert_refused(_check(server, key, "one", json.dumps(READ, indent=1).encode()), 409, "idempotency_conflict")
    assert _check(server, key, "one").body["request_id"] == first.body["request_id"]
    assert _used(server, key) == 1


def test_a_revoked_key_is_401_even_with_a_stored_answer(server: Server) -> None:
    key = new_key(server, plan="pro")
    assert _check(server, key, "one").status == 200
    put(server, key, "disabled")
    _assert_refused(_check(server, key, "one"), 403, "api_key_disabled")
    put(server, key, "active")
    assert _check(server, key, "one").body["cached"] is True
    put(server, key, "revoked")
    _assert_refused(_check(server, key, "one"), 401, "api_key_invalid")


@pytest.mark.parametrize("status", ["executed", "failed", "rolled_back"])
def test_an_allow_that_was_reported_is_not_given_again(status: str, server: Server) -> None:
    key = new_key(server, plan="pro")
    request_id = _check(server, key, "one").body["request_id"]
    done = server.post(f"/checks/{request_id}/outcome", {"status": status}, key=key.text)
    assert done.status == 200
    spent = _check(server, key, "one")
    _assert_refused(spent, 409, "idempotency_spent")
    assert request_id in spent.body["message"]
    assert _used(server, key) == 1
    assert _check(server, key, "two").body["cached"] is False


def test_a_deny_is_given_again_after_it_was_reported_as_stopped(server: Server) -> None:
    key = new_key(server, plan="pro")
    request_id = _check(server, key, "one", DELETE).body["request_id"]
    assert server.post(f"/checks/{request_id}/outcome", {"status": "stopped"}, key=key.text).status == 200
    again = _check(server, key, "one", DELETE).body
    assert (again["verdict"], again["request_id"], again["cached"]) == ("DENY", request_id, True)


def test_a_request_that_was_refused_may_be_corrected_under_the_same_key(server: Server) -> None:
    key = new_key(server, plan="starter")
    _assert_refused(_check(server, key, "one", {"tools": []}), 422, "validation_failed")
    _assert_refused(_check(server, key, "one", {**READ, "pro": True}), 402, "pro_plan_required")
    assert _check(server, key, "one").body["cached"] is False
    assert _check(server, key, "one").body["cached"] is True


def test_a_402_and_a_429_are_not_stored(server: Server) -> None:
    for spent, status in ((Limits(day=0), 402), (Limits(minute=0), 429)):
        key = new_key(server, plan="pro")
        limit(server, key.account, spent)
        assert _check(server, key, "one").status == status
        assert _check(server, key, "one").status == status
        limit(server, key.account, Limits())
        answer = _check(server, key, "one")
        assert (answer.status, answer.body["cached"]) == (200, False)
        assert _used(server, key) == 1


def test_the_same_idempotency_key_of_another_api_key_is_another(server: Server) -> None:
    account = new_account(server, "pro")
    one, other = new_key(server, account=account), new_key(server, account=account)
    first = _check(server, one, "shared")
    second = _check(server, other, "shared", DELETE)
    assert (second.status, second.body["cached"], second.body["verdict"]) == (200, False, "DENY")
    assert _check(server, other, "shared", DELETE).body["request_id"] == second.body["request_id"]
    assert _check(server, one, "shared").body["request_id"] == first.body["request_id"]
    stranger = new_key(server, plan="pro")
    assert _check(server, stranger, "shared").body["cached"] is False


def test_a_rotated_key_asks_anew(server: Server) -> None:
    old = new_key(server, plan="pro")
    first = _check(server, old, "one")
    answer = _check(server, rotate(server, old), "one")
    assert answer.body["cached"] is False
    assert answer.body["request_id"] != first.body["request_id"]


@pytest.mark.parametrize("token", ["", "x" * 256, "\xe9t\xe9", "a\tb"], ids=ascii)
def test_a_header_that_is_none_is_422_and_nothing_is_decided(token: str, server: Server) -> None:
    key = new_key(server, plan="pro")
    answer = _check(server, key, token)
    _assert_refused(answer, 422, "validation_failed")
    assert answer.body["fields"][0]["path"] == "Idempotency-Key"
    assert _used(server, key) == 0
    assert _records(server, key) == []


@pytest.mark.parametrize("token", ["x", "x" * 255, '{"a": 1}', "5c9d58b6-6a1f-4b0e-9a0e-0a5b3a4b1c9d"])
def test_visible_ascii_up_to_255_characters_is_a_key(token: str, server: Server) -> None:
    key = new_key(server, plan="pro")
    assert [_check(server, key, token).body["cached"] for _ in range(2)] == [False, True]


def test_a_stored_answer_is_given_also_when_the_quota_is_spent_meanwhile(server: Server) -> None:
    for limits, status in ((Limits(day=1), 402), (Limits(minute=1), 429)):
        key = new_key(server, plan="pro", limits=limits)
        within_a_minute()
        first = _check(server, key, "one")
        assert server.check(**READ, key=key.text).status == status
        again = _check(server, key, "one")
        assert (again.status, again.body) == (200, {**first.body, "cached": True})
        assert _check(server, key, "two").status == status
        assert _used(server, key) == 1


def test_a_stored_answer_has_the_fields_of_the_plan_that_is_in_force(server: Server) -> None:
    key = new_key(server, plan="free")
    assert "cost_estimate" not in _check(server, key, "one").body
    move(server, key.account, "pro")
    assert "cost_estimate" in _check(server, key, "one").body
    move(server, key.account, "free")
    assert "cost_estimate" not in _check(server, key, "one").body


def test_the_answer_outlives_the_server(own_server: Server) -> None:
    key = new_key(own_server)
    first = _check(own_server, key, "one").body
    own_server.stop()
    own_server.start()
    assert _check(own_server, key, "one").body == {**first, "cached": True}


def test_a_run_is_counted_once_too(server: Server) -> None:
    key = new_key(server, "check", "read")
    body = {**READ, "context": {"run_id": f"idempotent-{key.id}"}}
    for _ in range(3):
        assert _check(server, key, "one", body).status == 200
    run = server.get(f"/runs/idempotent-{key.id}", key=key.text).body
    assert (run["checks"], run["iterations"]) == (1, 1)
