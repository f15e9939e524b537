"""An ALLOW that an `Idempotency-Key` gives again holds only while what decided it is unchanged, and until it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

import pytest
import sqlalchemy as sa

from stage0.ledger import IdempotencySpent
from stage0.ledger.accounts import change_plan
from stage0.ledger.events import raise_epoch
from stage0.ledger.keys import Key
from stage0.ledger.packs import activate, push_pack
from stage0.ledger.schema import api_keys, decisions
from stage0.ledger.stops import stop
from stage0.ledger.store import Store
from tests.catalogue import CATALOGUE
from tests.ledger.opening import Clock, Running, recorded
from tests.packs import pack, stops

GOAL: Final = "List the closed tickets"
DENIED: Final = "Delete all users"
PACKS: Final = {
    "1": pack(version="1"),
    "2": pack(version="2", more=stops("NOT_NOW", GOAL)),
    "3": pack(version="3"),
    "4": pack(version="4", more="valid_for: 30s\n"),
}


def _activate(store: Store, key: Key, version: str) -> None:
    with store.writer.begin() as connection:
        push_pack(connection, CATALOGUE, key.account, PACKS[version], actor="t", now=time.time())
        activate(connection, CATALOGUE, key.account, f"acme@{version}", actor="t", now=time.time())


def _set(store: Store, key: Key, **values: Any) -> None:
    """Change a key's row, as an operator's command does."""
    with store.writer.begin() as connection:
        connection.execute(api_keys.update().where(api_keys.c.id == key.id).values(**values))
        raise_epoch(connection)


def _stop(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        stop(connection, account=key.account, kind="account", target="", actor="t", now=time.time())


#: What may change after an ALLOW was given, and the verdict that the same request gets then.
CHANGES: Final[dict[str, tuple[Callable[[Store, Key], None], str]]] = {
    "a stricter pack": (lambda store, key: _activate(store, key, "2"), "DENY"),
    "another version that decides alike": (lambda store, key: _activate(store, key, "3"), "ALLOW"),
    "a pack of the key's own": (lambda store, key: _set(store, key, pack="stage0-strict"), "DEFER"),
    "another role": (lambda store, key: _set(store, key, roles='["viewer"]'), "ALLOW"),
    "another environment": (lambda store, key: _set(store, key, environments='["production"]'), "ALLOW"),
    "another agent": (lambda store, key: _set(store, key, agent="planner"), "ALLOW"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_decided_has_changed_so_it_is_decided_anew_and_counted(change: str, store: Store, key: Key) -> None:
    _activate(store, key, "1")
    with Running(store) as running:
        first = running.check(key, token="t", goal=GOAL)
        assert (first["verdict"], first["cached"]) == ("ALLOW", False)
        assert running.check(key, token="t", goal=GOAL)["cached"] is True
        make, verdict = CHANGES[change]
        make(store, key)
        second = running.check(key, token="t", goal=GOAL)
        assert (second["verdict"], second["cached"]) == (verdict, False)
        assert second["request_id"] != first["request_id"]
        assert recorded(store) == {first["request_id"], second["request_id"]}
        assert running.used(key)[0][0] == 2
        again = running.check(key, token="t", goal=GOAL)
        assert (again["request_id"], again["cached"]) == (second["request_id"], True)


def test_a_change_that_decides_nothing_leaves_it(store: Store, key: Key) -> None:
    with Running(store) as running:
        first = running.check(key, token="t", goal=GOAL)
        with store.writer.begin() as connection:
            change_plan(connection, CATALOGUE, account=key.account, plan="pro", actor="t", now=time.time())
        again = running.check(key, token="t", goal=GOAL)
        assert (again["request_id"], again["cached"]) == (first["request_id"], True)


def test_the_kill_switch_comes_before_it(store: Store, key: Key) -> None:
    with Running(store) as running:
        running.check(key, token="t", goal=GOAL)
        _stop(store, key)
        assert running.check(key, token="t", goal=GOAL)["verdict"] == "DENY"


def test_it_ends_with_the_time_that_the_pack_gives_it(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        first = running.check(key, token="t", goal=GOAL)
        assert first["meta"]["valid_until"] == int(clock.now) + 600
        clock.now = first["meta"]["valid_until"] - 0.5
        assert running.check(key, token="t", goal=GOAL)["cached"] is True
        clock.now = first["meta"]["valid_until"]
        second = running.check(key, token="t", goal=GOAL)
        assert (second["cached"], second["meta"]["valid_until"]) == (False, int(clock.now) + 600)
        _activate(store, key, "4")
        third = running.check(key, token="t", goal=GOAL)
        assert third["meta"]["valid_until"] == int(clock.now) + 30


def test_what_is_no_allow_is_given_again_for_a_day_whatever_changes(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        first = running.check(key, token="t", goal=DENIED, tools=["delete_users"])
        assert (first["verdict"], "valid_until" in first["meta"]) == ("DENY", False)
        _activate(store, key, "1")
        clock.move(86_000)
        assert running.check(key, token="t", goal=DENIED, tools=["delete_users"])["request_id"] == first["request_id"]


def test_an_allow_that_was_used_stays_used_after_it_has_ended(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running:
        first = running.check(key, token="t", goal=GOAL)
        running.report(key, first["request_id"], "executed")
        clock.move(3_600)
        _activate(store, key, "1")
        with pytest.raises(IdempotencySpent):
            running.check(key, token="t", goal=GOAL)


def test_of_sixteen_that_come_when_it_has_ended_one_is_decided_anew(store: Store, key: Key) -> None:
    clock = Clock()
    with Running(store, clock) as running, Running(store, clock) if store.shared else nullcontext(running) as other:
        first = running.check(key, token="t", goal=GOAL)
        clock.move(700)
        bodies = [(key, {"goal": GOAL, "token": "t"})] * 8
        answers = [*running.at_once(*bodies), *other.at_once(*bodies)]
        told = [(answer["request_id"], answer["cached"]) for answer in answers if not isinstance(answer, BaseException)]
        assert len(told) == 16
        assert [cached for _, cached in told].count(False) == 1
        assert len({request_id for request_id, _ in told} | {first["request_id"]}) == 2
        assert len(recorded(store)) == 2


def test_an_answer_of_a_version_that_did_not_say_when_it_ends_is_decided_anew(store: Store, key: Key) -> None:
    with Running(store) as running:
        running.check(key, token="t", goal=GOAL)
        with store.writer.begin() as connection:
            record = json.loads(connection.execute(sa.select(decisions.c.record)).scalar_one())
            del record["answer"]["meta"]["valid_until"]
            old = json.dumps({**record, "v": 1}).encode()
            connection.execute(decisions.update().values(record=old))
        assert running.check(key, token="t", goal=GOAL)["cached"] is False
