"""Quotas, rates and `GET /usage` as published clients find them: exact counts, and errors of one shape."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from stage0.ledger.accounts import find_account
from stage0.ledger.keys import set_group
from stage0.ledger.plans import UNLIMITED
from stage0.ledger.usage import Limits
from tests.running import Server
from tests.server.issuing import (
    ACTOR,
    Issued,
    database,
    limit,
    new_account,
    new_key,
    put,
    spend,
    within_a_minute,
)
from tests.server.published import Published, Seen, Send, each_way

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}
COUNTS: Final = (
    *("monthly_used", "monthly_quota", "monthly_remaining"),
    *("daily_used", "daily_quota", "daily_remaining"),
    *("minute_used", "per_minute_limit", "minute_remaining"),
)


def _client(way: Send, server: Server, key: Issued) -> Published:
    return Published(way, server.url, key.text)


def _counts(usage: dict[str, Any]) -> tuple[int, ...]:
    return tuple(usage[name] for name in COUNTS)


def _assert_refused(seen: Seen, status: int, error: str) -> None:
    """The one shape of an error: what a client reads from it, and no verdict."""
    body = seen.body
    assert (seen.status, body["error"]) == (status, error)
    assert isinstance(body["detail"], dict)
    assert body["detail"]["detail"] == body["message"]
    assert body["detail"]["request_id"] == body["request_id"] == seen.headers["x-request-id"]
    assert "verdict" not in body
    assert "decision" not in body


def _assert_wait(seen: Seen, most: int) -> None:
    """Seconds to wait, in three places."""
    wait = seen.body["retry_after_seconds"]
    assert type(wait) is int
    assert 1 <= wait <= most
    assert seen.body["detail"]["retry_after_seconds"] == wait
    assert seen.headers["retry-after"] == str(wait)


def _group(server: Server, account: str, name: str, limits: Limits) -> None:
    with database(server) as (connection, _, now):
        found = find_account(connection, account)
        set_group(connection, account=found.id, name=name, limits=limits, actor=ACTOR, now=now)


# -- GET /usage


@each_way
def test_usage_has_every_field_with_its_type_and_counts_exactly(way: Send, server: Server) -> None:
    key = new_key(server, plan="free")
    client = _client(way, server, key)
    within_a_minute()
    for number in range(3):
        assert client.check({**READ, "goal": f"List ticket {number}"}).status == 200
    seen = client.get_usage()
    assert seen.status == 200
    usage = seen.body
    at = time.gmtime(usage["evaluated_at"])
    assert usage == {
        "request_id": seen.headers["x-request-id"],
        "api_key_id": key.id,
        "plan": "free",
        "month_key": time.strftime("%Y-%m", at),
        "day_key": time.strftime("%Y-%m-%d", at),
        "monthly_used": 3,
        "monthly_quota": 1000,
        "monthly_remaining": 997,
        "daily_used": 3,
        "daily_quota": 100,
        "daily_remaining": 97,
        "minute_used": 3,
        "per_minute_limit": 20,
        "minute_remaining": 17,
        "unlimited": False,
        "environment": "live",
        "source": "live",
        "evaluated_at": usage["evaluated_at"],
    }
    assert usage["unlimited"] is False
    assert {type(usage[name]) for name in (*COUNTS, "evaluated_at")} == {int}
    assert abs(usage["evaluated_at"] - time.time()) < 5


@pytest.mark.parametrize(
    ("plan", "quotas"), [("free", (1000, 100, 20)), ("starter", (25000, 2500, 120)), ("pro", (250000, 25000, 600))]
)
@each_way
def test_usage_says_what_the_plan_gives(way: Send, plan: str, quotas: tuple[int, ...], server: Server) -> None:
    usage = _client(way, server, new_key(server, plan=plan)).get_usage().body
    assert usage["plan"] == plan
    assert tuple(usage[name] for name in ("monthly_quota", "daily_quota", "per_minute_limit")) == quotas
    assert tuple(usage[name] for name in ("monthly_remaining", "daily_remaining", "minute_remaining")) == quotas


@each_way
def test_unlimited_is_a_number_and_says_so(way: Send, server: Server) -> None:
    client = _client(way, server, new_key(server, plan="enterprise"))
    within_a_minute()
    answer = client.check(READ)
    assert answer.headers["ratelimit-limit"] == answer.headers["ratelimit-remaining"] == str(UNLIMITED)
    usage = client.get_usage().body
    assert usage["unlimited"] is True
    assert _counts(usage) == (1, UNLIMITED, UNLIMITED) * 3


def test_where_one_window_is_limited_usage_is_not_unlimited(server: Server) -> None:
    key = new_key(server, plan="enterprise", limits=Limits(day=5))
    usage = server.get("/usage", key=key.text).body
    assert usage["unlimited"] is False
    assert _counts(usage) == (0, UNLIMITED, UNLIMITED, 0, 5, 5, 0, UNLIMITED, UNLIMITED)


@each_way
def test_usage_in_a_group_is_the_groups_and_the_keys_own_part_stands_beside_it(way: Send, server: Server) -> None:
    account = new_account(server, "pro")
    _group(server, account, "bots", Limits(month=90, day=9))
    one = new_key(server, account=account, group="bots", limits=Limits(day=4))
    other = new_key(server, account=account, group="bots")
    within_a_minute()
    for key in (one, one, other):
        assert _client(way, server, key).check(READ).status == 200
    usage = _client(way, server, one).get_usage().body
    assert (usage["usage_group"], usage["api_key_id"], usage["unlimited"]) == ("bots", one.id, False)
    assert _counts(usage) == (3, 90, 87, 3, 9, 6, 3, 600, 597)
    assert usage["key"].keys() == set(COUNTS)
    assert _counts(usage["key"]) == (2, UNLIMITED, UNLIMITED, 2, 4, 2, 2, UNLIMITED, UNLIMITED)
    assert _counts(_client(way, server, other).get_usage().body["key"])[0] == 1


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ({}, "live"),
        ({"mode": "test"}, "test"),
        ({"environments": ("production",)}, "production"),
        ({"environments": ("staging", "qa"), "mode": "test"}, "staging,qa"),
    ],
)
def test_usage_names_the_environments_of_the_key_else_its_mode(
    options: dict[str, Any], environment: str, server: Server
) -> None:
    key = new_key(server, **options)
    assert server.get("/usage", key=key.text).body["environment"] == environment


@each_way
def test_usage_costs_nothing_and_answers_when_everything_is_spent(way: Send, server: Server) -> None:
    client = _client(way, server, new_key(server, plan="free", limits=Limits(month=1)))
    assert client.check(READ).status == 200
    for seen in [client.get_usage() for _ in range(25)]:
        assert seen.status == 200
        assert (seen.body["monthly_used"], seen.body["monthly_remaining"]) == (1, 0)
    assert client.check(READ).status == 402
    assert client.get_usage().body["monthly_used"] == 1


@each_way
def test_usage_is_refused_for_a_key_that_is_unknown_or_disabled(way: Send, server: Server) -> None:
    key = new_key(server)
    put(server, key, "disabled")
    for text, status, error in (
        (key.text, 403, "api_key_disabled"),
        ("nobody-has-this-key-0001", 401, "api_key_invalid"),
    ):
        _assert_refused(Published(way, server.url, text).get_usage(), status, error)
        _assert_refused(Published(way, server.url, text).check(READ), status, error)


# -- rate and quotas


@each_way
def test_the_21st_check_of_a_minute_on_free_is_429(way: Send, server: Server) -> None:
    client = _client(way, server, new_key(server, plan="free"))
    within_a_minute()
    left = []
    for _ in range(20):
        seen = client.check(READ)
        assert seen.status == 200
        assert seen.headers["ratelimit-limit"] == "20"
        assert 1 <= int(seen.headers["ratelimit-reset"]) <= 60
        left.append(int(seen.headers["ratelimit-remaining"]))
    assert left == list(range(19, -1, -1))
    for _ in range(2):
        seen = client.check(READ)
        _assert_refused(seen, 429, "rate_limited")
        _assert_wait(seen, 60)
        assert "quota" not in str(seen.body).lower()
        assert (seen.headers["ratelimit-limit"], seen.headers["ratelimit-remaining"]) == ("20", "0")
        assert abs(int(seen.headers["ratelimit-reset"]) - int(seen.headers["retry-after"])) <= 1
    assert _counts(client.get_usage().body) == (20, 1000, 980, 20, 100, 80, 20, 20, 0)


@each_way
def test_the_wait_of_a_429_ends_with_the_minute(way: Send, server: Server) -> None:
    client = _client(way, server, new_key(server, limits=Limits(minute=0)))
    within_a_minute()
    before = time.time()
    wait = int(client.check(READ).headers["retry-after"])
    ends = 60 * (before // 60 + 1)
    assert ends <= before + wait + 1 <= ends + 2


@pytest.mark.parametrize(
    ("used", "message", "most"),
    [
        ({"day_used": 99, "month_used": 99}, "Daily quota of 100 checks", 86_400),
        ({"month_used": 999}, "Monthly quota of 1,000 checks", 31 * 86_400),
    ],
    ids=["day", "month"],
)
@each_way
def test_the_101st_of_a_day_and_the_1001st_of_a_month_on_free_are_402(
    way: Send, used: dict[str, int], message: str, most: int, server: Server
) -> None:
    key = new_key(server, plan="free")
    client = _client(way, server, key)
    assert client.check(READ).status == 200
    spend(server, key, **used)
    last = client.check(READ)
    assert last.status == 200
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= last.headers.keys()
    before = _counts(client.get_usage().body)[:6]
    for _ in range(2):
        seen = client.check(READ)
        _assert_refused(seen, 402, "quota_exceeded")
        _assert_wait(seen, most)
        assert message in seen.body["message"]
    assert _counts(client.get_usage().body)[:6] == before
    assert 0 in before[2:6:3]


@each_way
def test_small_limits_of_an_account_hold_to_the_check(way: Send, server: Server) -> None:
    key = new_key(server, plan="free")
    limit(server, key.account, Limits(month=7, day=5))
    client = _client(way, server, key)
    assert [client.check(READ).status for _ in range(7)] == [200] * 5 + [402] * 2
    limit(server, key.account, Limits(month=7, day=50))
    end = time.monotonic() + 5
    while client.check(READ).status != 200 and time.monotonic() < end:
        time.sleep(0.1)
    assert client.check(READ).status == 200
    seen = client.check(READ)
    _assert_refused(seen, 402, "quota_exceeded")
    assert "Monthly quota of 7 checks" in seen.body["message"]


def test_of_many_checks_at_once_exactly_the_quota_is_answered(server: Server) -> None:
    key = new_key(server, plan="pro", limits=Limits(day=10))
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: server.check(**READ, key=key.text).status, range(32)))
    assert (statuses.count(200), statuses.count(402)) == (10, 22)
    assert server.get("/usage", key=key.text).body["daily_used"] == 10
    assert len(server.get("/checks", key=key.text).body["checks"]) == 10


@each_way
def test_pro_below_pro_is_402_and_costs_nothing(way: Send, server: Server) -> None:
    for plan in ("free", "starter"):
        client = _client(way, server, new_key(server, plan=plan))
        seen = client.check({**READ, "pro": True})
        _assert_refused(seen, 402, "pro_plan_required")
        assert "quota" not in seen.body["message"].lower()
        assert "retry_after_seconds" not in seen.body
        assert "retry-after" not in seen.headers
        usage = client.get_usage().body
        assert (usage["monthly_used"], usage["daily_used"], usage["minute_used"]) == (0, 0, 0)


@each_way
def test_a_refused_request_costs_nothing(way: Send, server: Server) -> None:
    key = new_key(server, plan="free", limits=Limits(day=2, minute=20))
    client = _client(way, server, key)
    reader = _client(way, server, new_key(server, "read", account=key.account))
    within_a_minute()
    assert client.check(READ).status == 200
    refused = [
        (client.check({"tools": ["search_tickets"]}), 422),
        (client.check({**READ, "goal": ""}), 422),
        (client.check({**READ, "pro": True}), 402),
        (client.check({**READ, "policy_pack_version": "another@9.9.9"}), 409),
        (client.check(READ, idempotency_key="x" * 256), 422),
        (reader.check(READ), 403),
        (Published(way, server.url, "nobody-has-this-key-0001").check(READ), 401),
    ]
    assert [seen.status for seen, _ in refused] == [status for _, status in refused]
    assert _counts(client.get_usage().body) == (1, 1000, 999, 1, 2, 1, 1, 20, 19)
    assert [client.check(READ).status for _ in range(3)] == [200, 402, 402]
    usage = client.get_usage().body
    assert (usage["monthly_used"], usage["daily_used"], usage["minute_used"]) == (2, 2, 2)
    assert reader.get_usage().body["monthly_used"] == 0
    with database(server) as (connection, _, _now):
        account = find_account(connection, key.account).id
        rows = connection.exec_driver_sql("SELECT count(*) FROM decisions WHERE account_id = ?", (account,))
        assert rows.scalar_one() == 2


def test_keys_of_one_account_have_an_envelope_each(server: Server) -> None:
    account = new_account(server, "free")
    one, other = new_key(server, account=account), new_key(server, account=account)
    for key in (one, one, other):
        assert server.check(**READ, key=key.text).status == 200
    assert server.get("/usage", key=one.text).body["monthly_used"] == 2
    assert server.get("/usage", key=other.text).body["monthly_used"] == 1


def test_whoever_keeps_asking_with_nothing_left_is_answered_slowly(server: Server) -> None:
    key = new_key(server, limits=Limits(month=0))
    begun = time.monotonic()
    assert {server.check(**READ, key=key.text).status for _ in range(20)} == {402}
    quick = time.monotonic() - begun
    begun = time.monotonic()
    assert {server.check(**READ, key=key.text).status for _ in range(3)} == {402}
    assert time.monotonic() - begun > 0.9
    assert quick < 10


@each_way
def test_value_and_cost_come_with_pro_and_guardrails_with_starter(way: Send, server: Server) -> None:
    fields = {"guardrails", "value_risk", "waste_risk", "value_findings", "cost_estimate"}
    wanted = {"free": set(), "starter": {"guardrails"}, "pro": fields, "enterprise": fields}
    found = {plan: fields & _client(way, server, new_key(server, plan=plan)).check(READ).body.keys() for plan in wanted}
    assert found == wanted
