"""The kill switch is in force from the next batch of every process on, and nothing gets around it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from stage0.engine.job import Asked, Body, CheckJob
from stage0.ledger import NotFound
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, change_key, create_key, rotate_key
from stage0.ledger.stops import Kind, list_stops, resume, stop
from stage0.ledger.store import Store
from tests.catalogue import CATALOGUE
from tests.deciding import request_of
from tests.ledger.opening import ROOT, Clock, Running, add_key


def _stop(store: Store, key: Key, kind: Kind, target: str) -> None:
    """As another process does it."""
    with store.writer.begin() as connection:
        stop(connection, account=key.account, kind=kind, target=target, actor="cli:t", now=0)


def _resume(store: Store, key: Key, kind: Kind, target: str) -> None:
    with store.writer.begin() as connection:
        resume(connection, account=key.account, kind=kind, target=target, actor="cli:t", now=0)


def _stopped(running: Running, key: Key, **context: Any) -> bool:
    answer = running.check(key, context=context)
    codes = [issue["code"] for issue in answer["issues"]]
    assert (answer["verdict"] == "DENY") == ("KILL_SWITCH" in codes)
    assert answer["verdict"] in ("ALLOW", "DENY")
    return bool(answer["verdict"] == "DENY")


def _another(store: Store, key: Key, **more: Any) -> Key:
    with store.writer.begin() as connection:
        return create_key(
            connection, CATALOGUE, Keyring([ROOT]), account=key.account, actor="t", now=time.time(), **more
        )[0]


def test_a_stopped_key_is_denied_and_the_others_are_not(store: Store, key: Key) -> None:
    other = _another(store, key)
    with Running(store, Clock()) as running:
        assert not _stopped(running, key)
        _stop(store, key, "key", key.id)
        assert _stopped(running, key)
        assert not _stopped(running, other)
        _resume(store, key, "key", key.id)
        assert not _stopped(running, key)


def test_a_stopped_account_is_denied_with_all_its_keys_and_no_other_account_is(store: Store, key: Key) -> None:
    mine, stranger = _another(store, key), add_key(store)[0]
    with Running(store, Clock()) as running:
        _stop(store, key, "account", key.account)
        assert (_stopped(running, key), _stopped(running, mine), _stopped(running, stranger)) == (True, True, False)


@pytest.mark.parametrize(
    "context",
    [
        {"agent_name": "deploy-bot"},
        {"agent_id": "deploy-bot"},
        {"agent_name": "  Deploy-Bot "},
        {"agent_name": "ｄｅｐｌｏｙ-bot"},
        {"agent_name": "deploy\u200b-bot"},
        {"agent_name": "other", "agent_id": "deploy-bot"},
    ],
)
def test_a_stopped_agent_is_denied_however_it_spells_its_name(context: dict[str, str], store: Store, key: Key) -> None:
    with Running(store, Clock()) as running:
        _stop(store, key, "agent", "Deploy-Bot")
        answer = running.check(key, context=context)
        assert "KILL_SWITCH" in [issue["code"] for issue in answer["issues"]]
        assert answer["verdict"] == "DENY"
        assert not _stopped(running, key, agent_name="another-bot")


def test_a_key_of_a_stopped_agent_is_denied_whatever_it_says(store: Store, key: Key) -> None:
    bound = _another(store, key, agent="deploy-bot")
    with Running(store, Clock()) as running:
        _stop(store, key, "agent", "deploy-bot")
        assert _stopped(running, bound)
        assert _stopped(running, bound, agent_name="another-bot")
        assert not _stopped(running, key)


def test_an_observe_only_key_is_stopped_too_and_told_to_enforce(store: Store, key: Key) -> None:
    watching = _another(store, key, enforcement="observe")
    with Running(store, Clock()) as running:
        assert running.check(watching)["meta"]["enforcement"] == "observe"
        _stop(store, key, "key", watching.id)
        answer = running.check(watching)
        assert (answer["verdict"], answer["meta"]["enforcement"]) == ("DENY", "enforce")


def test_what_is_stopped_says_who_and_why_and_resuming_what_is_not_is_an_error(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        for _ in range(2):
            stop(
                connection,
                account=key.account,
                kind="key",
                target=key.id,
                actor="cli:ada",
                now=12.5,
                reason="it wipes disks",
            )
        (found,) = list_stops(connection, key.account)
        assert (found.kind, found.target, found.actor, found.reason, found.at) == (
            "key",
            key.id,
            "cli:ada",
            "it wipes disks",
            12_500_000,
        )
        with pytest.raises(NotFound, match="not stopped"):
            resume(connection, account=key.account, kind="account", target="", actor="t", now=0)
        with pytest.raises(NotFound):
            stop(connection, account="acc_other", kind="key", target=key.id, actor="t", now=0)


def test_stopping_a_key_stops_what_it_replaced_and_what_replaces_it(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        new, _ = rotate_key(
            connection, CATALOGUE, Keyring([ROOT]), key.id, actor="t", now=time.time(), grace_seconds=1e9
        )
    with Running(store) as running:
        _stop(store, key, "key", new.id)
        assert (_stopped(running, key), _stopped(running, new)) == (True, True)
        with store.writer.begin() as connection:
            third, _ = rotate_key(connection, CATALOGUE, Keyring([ROOT]), new.id, actor="t", now=time.time())
        assert _stopped(running, third)
        _resume(store, key, "key", third.id)
        assert not _stopped(running, third)


def test_a_key_that_only_watches_enforces_where_the_strict_pack_is_pinned(store: Store, key: Key) -> None:
    watching = _another(store, key, enforcement="observe", scopes=("check", "policy:pin"))
    with Running(store, Clock()) as running:
        for pack, enforcement in (("stage0-default", "observe"), ("stage0-strict", "enforce")):
            pinned = running.engine.catalogue.packs[pack].id
            job = CheckJob(Asked(watching, Body(request_of(policy_pack_version=pinned), secrets=False)))

            async def run(job: CheckJob = job) -> Any:
                return await running.engine.check(job)

            assert json.loads(running.run(run()).body)["meta"]["enforcement"] == enforcement


def test_an_answer_that_is_given_again_says_what_is_enforced_now(store: Store, key: Key) -> None:
    watching = _another(store, key, enforcement="observe")
    with Running(store, Clock()) as running:
        assert running.check(watching, token="t1")["meta"]["enforcement"] == "observe"
        running.write(
            lambda connection: change_key(connection, CATALOGUE, watching.id, enforcement="enforce", actor="t", now=0)
        )
        again = running.check(watching, token="t1")
        assert (again["cached"], again["meta"]["enforcement"]) == (True, "enforce")
