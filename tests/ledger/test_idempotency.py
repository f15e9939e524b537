"""`Idempotency-Key`: the same answer for 24 hours, counted once, and never an ALLOW that was used."""

from __future__ import annotations

from typing import Any

import pytest

from stage0.ledger import IdempotencyConflict, IdempotencySpent, KeyRefused, LimitReached
from stage0.ledger.accounts import change_limits
from stage0.ledger.keys import Key
from stage0.ledger.stops import resume, stop
from stage0.ledger.store import Store
from stage0.ledger.usage import Limits
from tests.ledger.opening import Clock, Running, add_key, put, recorded


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "cached": None} == {**other, "cached": None}


def test_the_same_key_and_body_give_the_same_answer_counted_once(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        first = running.check(key, token="t1")
        again = running.check(key, token="t1")
        assert (first["cached"], again["cached"], _same(first, again)) == (False, True, True)
        assert running.used(key) == [(1, 1, 1)]
    assert recorded(store) == {first["request_id"]}


def test_also_when_they_arrive_at_once(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        answers: list[Any] = running.at_once(*[(key, {"token": "t1"}) for _ in range(20)])
        assert len({answer["request_id"] for answer in answers}) == 1
        assert [answer["cached"] for answer in answers].count(False) == 1
        assert running.used(key) == [(1, 1, 1)]
    assert len(recorded(store)) == 1


def test_another_body_is_a_conflict_and_records_nothing(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        running.check(key, token="t1")
        with pytest.raises(IdempotencyConflict, match="another body"):
            running.check(key, token="t1", goal="List the closed tickets")
        assert running.used(key) == [(1, 1, 1)]
    assert len(recorded(store)) == 1


def test_another_body_at_the_same_moment_is_one_too(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        results = running.at_once((key, {"token": "t1"}), (key, {"token": "t1", "goal": "List the closed tickets"}))
        assert [type(each) for each in results] == [dict, IdempotencyConflict]


def test_an_allow_whose_outcome_was_reported_is_not_given_again(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        answer = running.check(key, token="t1")
        running.report(key, answer["request_id"])
        with pytest.raises(IdempotencySpent, match=answer["request_id"]):
            running.check(key, token="t1")


def test_a_refusal_is_given_again_whatever_was_reported(store: Store, key: Key) -> None:
    denied = {"goal": "Delete all users", "tools": ["delete_users"]}
    with Running(store, Clock()) as running:
        answer = running.check(key, token="t1", **denied)
        assert answer["verdict"] == "DENY"
        running.report(key, answer["request_id"], "stopped")
        assert running.check(key, token="t1", **denied)["cached"] is True


def test_it_ends_after_24_hours(store: Store, key: Key) -> None:
    clock = Clock()
    denied = {"goal": "Delete all users", "tools": ["delete_users"]}
    with Running(store, clock) as running:
        first = running.check(key, token="t1", **denied)
        clock.move(86_399)
        assert running.check(key, token="t1", **denied)["request_id"] == first["request_id"]
        clock.move(1)
        second = running.check(key, token="t1", **denied)
        assert second["cached"] is False
        assert running.check(key, token="t1", **denied)["request_id"] == second["request_id"] != first["request_id"]


def test_it_belongs_to_the_api_key_that_sent_it(store: Store, key: Key) -> None:
    other, _ = add_key(store)
    with Running(store, Clock()) as running:
        running.check(key, token="t1")
        assert running.check(other, token="t1")["cached"] is False


def test_the_key_comes_first_a_revoked_one_gets_nothing(store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        running.check(key, token="t1")
        put(store, key, "revoked")
        with pytest.raises(KeyRefused):
            running.check(key, token="t1")


def test_the_kill_switch_comes_before_what_was_answered_and_its_denial_is_not_kept(store: Store, key: Key) -> None:
    of_key: dict[str, Any] = {"account": key.account, "kind": "key", "target": key.id, "actor": "t", "now": 0.0}
    with Running(store, Clock()) as running:
        running.check(key, token="t1")
        running.write(lambda connection: stop(connection, **of_key))
        assert running.check(key, token="t1")["verdict"] == "DENY"
        assert running.check(key, token="t2")["verdict"] == "DENY"
        running.write(lambda connection: resume(connection, **of_key))
        assert running.check(key, token="t1")["cached"] is True
        assert running.check(key, token="t2")["verdict"] == "ALLOW"


def test_what_was_answered_is_given_again_when_the_quota_is_spent_and_a_refusal_is_not_kept(store: Store) -> None:
    key, _ = add_key(store)
    with store.writer.begin() as connection:
        change_limits(connection, account=key.account, limits=Limits(day=1), actor="t", now=0)
    clock = Clock()
    with Running(store, clock) as running:
        first = running.check(key, token="t1")
        with pytest.raises(LimitReached):
            running.check(key, token="t2")
        assert running.check(key, token="t1")["request_id"] == first["request_id"]
        clock.move(86_400 / 2)
        clock.set("2026-03-17T00:00:00+00:00")
        assert running.check(key, token="t2")["cached"] is False


def test_fields_that_the_plan_leaves_out_are_left_out_again(store: Store) -> None:
    key, _ = add_key(store, plan="free")
    with Running(store, Clock()) as running:
        first, again = running.check(key, token="t1"), running.check(key, token="t1")
        assert _same(first, again)
        assert "cost_estimate" not in again
