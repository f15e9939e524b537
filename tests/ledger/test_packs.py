"""Packs of an account: never changed once pushed, in force from the next batch on, rolled back step by step."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
import sqlalchemy as sa

from stage0.ledger import NotFound, PolicyMismatch, PolicyUnusable, Refused, StoreUnavailable
from stage0.ledger.keys import Key, change_key
from stage0.ledger.packs import (
    PackCache,
    activate,
    activations,
    list_packs,
    push_pack,
    read_actives,
    roll_back,
    set_shadow,
)
from stage0.ledger.records import get_record
from stage0.ledger.schema import policy_packs
from stage0.ledger.stops import stop
from stage0.ledger.store import Store
from stage0.policy import PolicyError, shipped_packs
from stage0.policy.upload import Compiled, Upload, compile_upload
from tests.catalogue import CATALOGUE
from tests.ledger.opening import Running, add_key, events_of
from tests.packs import pack, pack_files, stops

DEFAULT = shipped_packs()["stage0-default"].id
GOAL = "List the closed tickets"
FIRST = pack(version="1")
SECOND = pack(version="2", more=stops("NOT_NOW", GOAL))


@pytest.fixture
def key(store: Store) -> Key:
    """A key of an account of its own."""
    return add_key(store)[0]


def push(store: Store, key: Key, *made: Compiled) -> None:
    for each in made:
        with store.writer.begin() as connection:
            push_pack(connection, CATALOGUE, key.account, each, actor="t", now=time.time())


def turn_on(store: Store, key: Key, pack_id: str, **more: Any) -> None:
    with store.writer.begin() as connection:
        activate(connection, CATALOGUE, key.account, pack_id, actor="t", now=time.time(), **more)


def turn_back(store: Store, key: Key, **more: Any) -> str:
    with store.writer.begin() as connection:
        return roll_back(connection, CATALOGUE, key.account, actor="t", now=time.time(), **more).pack


def test_a_version_is_stored_once_and_never_changes(store: Store, key: Key) -> None:
    push(store, key, FIRST)
    with store.writer.begin() as connection:
        assert not push_pack(connection, CATALOGUE, key.account, FIRST, actor="t", now=time.time())
    with pytest.raises(Refused, match="never changes"):
        push(store, key, pack(version="1", more=stops("OTHER", "x")))
    with store.reader.connect() as connection:
        assert [each["id"] for each in list_packs(connection, key.account)] == ["acme@1"]


def test_a_pack_cannot_take_the_name_of_one_that_ships(store: Store, key: Key) -> None:
    with pytest.raises(Refused, match="ships"):
        push(store, key, pack(name="stage0-strict"))


def test_an_activated_version_decides_from_the_next_batch_on_and_a_rollback_undoes_it(store: Store, key: Key) -> None:
    push(store, key, FIRST, SECOND)
    with Running(store) as running, Running(store) if store.shared else nullcontext(running) as other:
        assert running.check(key, goal=GOAL)["policy_version"] == DEFAULT
        turn_on(store, key, "acme@1")
        for process in (running, other):
            assert process.check(key, goal=GOAL)["policy_version"] == "acme@1"
        turn_on(store, key, "acme@2")
        for process in (running, other):
            denied = process.check(key, goal=GOAL)
            assert (denied["policy_version"], denied["verdict"]) == ("acme@2", "DENY")
            assert denied["issues"][0]["code"] == "NOT_NOW"
        assert turn_back(store, key) == "acme@1"
        assert [process.check(key, goal=GOAL)["policy_version"] for process in (running, other)] == ["acme@1"] * 2
        assert turn_back(store, key) == ""
        assert running.check(key, goal=GOAL)["policy_version"] == DEFAULT
    with pytest.raises(Refused, match="nothing was activated"):
        turn_back(store, key)


def test_what_another_process_has_pushed_is_loaded_ahead_on_a_shared_store(store: Store, key: Key) -> None:
    with Running(store) as running:
        push(store, key, FIRST)

        async def loaded() -> bool:
            for _ in range(100 if store.shared else 30):
                if running.engine.pack_cache.has(key.account, "acme@1"):
                    return True
                await asyncio.sleep(0.05)
            return False

        assert running.run(loaded()) is store.shared


def test_who_activated_what_is_recorded(store: Store, key: Key) -> None:
    push(store, key, FIRST)
    turn_on(store, key, "acme@1")
    turn_back(store, key)
    with store.reader.connect() as connection:
        assert [(each.pack, each.actor, each.undone) for each in activations(connection, key.account)] == [
            ("acme@1", "t", 1)
        ]
    done = [event.action for event in events_of(store, key.account) if event.action.startswith("policy.")]
    assert done == ["policy.pushed", "policy.activated", "policy.rolled_back"]


def test_the_environment_that_a_key_is_bound_to_decides_and_never_one_that_is_claimed(store: Store) -> None:
    staging, _ = add_key(store, environments=("staging",))
    push(store, staging, FIRST, SECOND)
    turn_on(store, staging, "acme@1")
    turn_on(store, staging, "acme@2", environment="production")
    with Running(store) as running:
        claimed = running.check(staging, goal=GOAL, context={"environment": "production"})
        assert claimed["policy_version"] == "acme@1"
    both, _ = add_key(store, environments=("staging", "production"))
    push(store, both, FIRST, SECOND)
    turn_on(store, both, "acme@1", environment="staging")
    turn_on(store, both, "acme@2", environment="production")
    with Running(store) as running:
        assert running.check(both, goal=GOAL, context={"environment": "staging"})["policy_version"] == "acme@2"


def test_one_account_never_sees_the_packs_of_another(store: Store, key: Key) -> None:
    other, _ = add_key(store)
    push(store, key, FIRST)
    turn_on(store, key, "acme@1")
    with pytest.raises(NotFound):
        turn_on(store, other, "acme@1")
    with Running(store) as running:
        assert running.check(other, goal=GOAL)["policy_version"] == DEFAULT


def test_a_key_bound_to_a_pack_of_its_own_keeps_it(store: Store) -> None:
    strict, _ = add_key(store, pack="stage0-strict")
    push(store, strict, FIRST)
    turn_on(store, strict, "acme@1")
    with Running(store) as running:
        assert running.check(strict, goal=GOAL)["policy_version"] == shipped_packs()["stage0-strict"].id
        with store.writer.begin() as connection:
            change_key(connection, CATALOGUE, strict.id, actor="t", now=time.time(), pack="acme@1")
        assert running.check(strict, goal=GOAL)["policy_version"] == "acme@1"
        with store.writer.begin() as connection, pytest.raises(Refused, match="there is no pack `acme@9`"):
            change_key(connection, CATALOGUE, strict.id, actor="t", now=time.time(), pack="acme@9")


def test_a_request_that_expects_another_version_is_refused_and_a_key_that_may_pin_chooses(store: Store) -> None:
    pinning, _ = add_key(store, scopes=("check", "policy:pin"))
    push(store, pinning, FIRST, SECOND)
    turn_on(store, pinning, "acme@1")
    plain, _ = add_key(store)
    with Running(store) as running:
        assert running.check(pinning, goal=GOAL, policy_pack_version="acme@2")["policy_version"] == "acme@2"
        assert running.check(pinning, goal=GOAL, policy_pack_version=DEFAULT)["policy_version"] == DEFAULT
        with pytest.raises(PolicyMismatch, match=r"acme@1.*acme@3"):
            running.check(pinning, goal=GOAL, policy_pack_version="acme@3")
        with pytest.raises(PolicyMismatch):
            running.check(plain, goal=GOAL, policy_pack_version="acme@1")


@pytest.mark.parametrize(
    ("suite", "problem"),
    [
        ("", "no case for ALLOW and DEFER and DENY"),
        ("- {name: reads, request: {goal: List tickets, tools: [tickets.list]}, expect: {verdict: ALLOW}}", "DEFER"),
        ("- {name: reads, request: {goal: List tickets, tools: [tickets.list]}, expect: {verdict: DENY}}", "`reads`"),
    ],
)
def test_a_pack_whose_suite_shows_too_little_is_activated_only_by_force(
    suite: str, problem: str, store: Store, key: Key
) -> None:
    push(store, key, pack(suite=suite))
    with pytest.raises(Refused, match=problem):
        turn_on(store, key, "acme@1")
    turn_on(store, key, "acme@1", force=True)
    forced = [event.data for event in events_of(store, key.account) if event.action == "policy.activated"]
    assert len(forced) == 1
    assert '"forced":true' in forced[0]


def test_what_cannot_be_used_is_not_activated_and_leaves_the_old_one_in_force(store: Store, key: Key) -> None:
    push(store, key, FIRST, SECOND)
    turn_on(store, key, "acme@1")
    with store.writer.begin() as connection:
        connection.execute(
            policy_packs.update().where(policy_packs.c.version == "2").values(content=b'{"name": "acme"}')
        )
    with pytest.raises(PolicyUnusable):
        turn_on(store, key, "acme@2")
    with Running(store) as running:
        assert running.check(key, goal=GOAL)["policy_version"] == "acme@1"


def test_nothing_is_decided_under_a_pack_whose_content_was_changed(store: Store, key: Key) -> None:
    push(store, key, FIRST, SECOND)
    turn_on(store, key, "acme@2")
    with store.writer.begin() as connection:
        content = connection.execute(sa.select(policy_packs.c.content).where(policy_packs.c.version == "1")).scalar()
        connection.execute(policy_packs.update().where(policy_packs.c.version == "2").values(content=content))
    with Running(store) as running, pytest.raises((PolicyUnusable, StoreUnavailable)):
        running.check(key, goal=GOAL)


def test_a_candidate_decides_beside_without_effect(store: Store, key: Key) -> None:
    push(store, key, FIRST, SECOND)
    turn_on(store, key, "acme@1")
    with Running(store) as running:
        with store.writer.begin() as connection:
            set_shadow(connection, CATALOGUE, key.account, "acme@2", actor="t", now=time.time())
        allowed = running.check(key, goal=GOAL)
        assert (allowed["verdict"], allowed["policy_version"]) == ("ALLOW", "acme@1")
        with store.reader.connect() as connection:
            shadow = get_record(connection, key.account, allowed["request_id"])["shadow"]
        assert (shadow["pack"], shadow["verdict"]) == ("acme@2", "DENY")
        assert "NOT_NOW" in shadow["codes"]
        with store.writer.begin() as connection:
            set_shadow(connection, CATALOGUE, key.account, "", actor="t", now=time.time())
        after = running.check(key, goal=GOAL)
        with store.reader.connect() as connection:
            assert get_record(connection, key.account, after["request_id"])["shadow"] is None


def test_a_stopped_agent_stays_stopped_under_every_pack(store: Store, key: Key) -> None:
    push(store, key, FIRST)
    turn_on(store, key, "acme@1")
    with store.writer.begin() as connection:
        stop(connection, account=key.account, kind="account", target="", actor="t", now=time.time())
    with Running(store) as running:
        denied = running.check(key, goal=GOAL)
        assert (denied["verdict"], denied["issues"][0]["code"]) == ("DENY", "KILL_SWITCH")


def test_a_pack_extends_one_that_was_pushed_and_keeps_what_that_had_then() -> None:
    company = pack(name="company", more=stops("COMPANY_RULE", "a"))
    files = pack_files(name="team")
    files["pack.yaml"] = files["pack.yaml"].replace("extends: stage0-default", "extends: company@1")
    team = compile_upload(Upload(files, {"company@1": company.content}))
    assert '"COMPANY_RULE"' in team.content
    with pytest.raises(PolicyError, match=r"pack\.yaml:3: extends: there is no pack `company@1`"):
        compile_upload(Upload(files))


def test_production_is_one_environment_by_whichever_of_its_names(store: Store) -> None:
    prod, _ = add_key(store, environments=("prod",))
    push(store, prod, FIRST)
    turn_on(store, prod, "acme@1", environment="Production")
    with Running(store) as running:
        assert running.check(prod, goal=GOAL)["policy_version"] == "acme@1"


def test_a_candidate_of_an_environment_decides_beside_the_accounts_pack(store: Store) -> None:
    key, _ = add_key(store, environments=("production",))
    push(store, key, FIRST, SECOND)
    turn_on(store, key, "acme@1")
    with store.writer.begin() as connection:
        set_shadow(connection, CATALOGUE, key.account, "acme@2", environment="production", actor="t", now=time.time())
    with Running(store) as running:
        allowed = running.check(key, goal=GOAL)
        assert allowed["policy_version"] == "acme@1"
        with store.reader.connect() as connection:
            assert get_record(connection, key.account, allowed["request_id"])["shadow"]["pack"] == "acme@2"


def test_a_pin_names_a_version_and_never_the_newest(store: Store) -> None:
    pinning, _ = add_key(store, scopes=("check", "policy:pin"))
    push(store, pinning, FIRST)
    with Running(store) as running, pytest.raises(PolicyMismatch):
        running.check(pinning, goal=GOAL, policy_pack_version="acme")


def test_changes_at_the_same_time_come_one_after_the_other_and_none_is_lost(store: Store, key: Key) -> None:
    """Two processes activate and shadow over and over. Neither fails, and the rollback goes back through all of it."""
    push(store, key, FIRST, SECOND)
    rounds = 12

    def activating() -> None:
        for number in range(rounds):
            turn_on(store, key, f"acme@{number % 2 + 1}")

    def shadowing() -> None:
        for number in range(rounds):
            with store.writer.begin() as connection:
                shadow = f"acme@{number % 2 + 1}"
                set_shadow(connection, CATALOGUE, key.account, shadow, actor="t", now=time.time())

    with ThreadPoolExecutor(2) as pool:
        for work in [pool.submit(activating), pool.submit(shadowing)]:
            work.result()
    with store.reader.connect() as connection:
        assert read_actives(connection)[key.account, ""] == ("acme@2", "acme@2")
        assert [each.number for each in activations(connection, key.account)] == list(range(rounds, 0, -1))
    assert [turn_back(store, key) for _ in range(rounds)] == [*(["acme@1", "acme@2"] * (rounds // 2))[: rounds - 1], ""]


def test_one_process_keeps_what_it_used_last(store: Store, key: Key) -> None:
    push(store, key, FIRST, SECOND)
    pack_cache = PackCache(shipped_packs(), room=len(FIRST.content) + len(SECOND.content) // 2)
    with store.reader.connect() as connection:
        pack_cache.load(connection, [(key.account, "acme@1")])
        pack_cache.load(connection, [(key.account, "acme@2")])
    assert (pack_cache.has(key.account, "acme@1"), pack_cache.has(key.account, "acme@2")) == (False, True)
