"""A check is decided by what was committed before its batch or written in it, never by what a failed commit left."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stage0.ledger import StoreUnavailable
from stage0.ledger.keys import Key, set_key_status
from stage0.ledger.packs import activate, push_pack
from stage0.ledger.sqlite import SqliteStore
from stage0.ledger.stops import stop
from stage0.ledger.store import Store
from stage0.policy.upload import Compiled
from tests.asserting import nonempty
from tests.catalogue import CATALOGUE
from tests.ledger.opening import Running, add_key, again, check, migrated
from tests.packs import pack, stops

GOAL = "List the open tickets"
LENIENT = pack(version="1")
STRICT = pack(version="2", more=stops("NOT_NOW", GOAL))
MILDER = pack(version="2", more=stops("NOT_NOW", GOAL, severity="medium"))


@contextlib.contextmanager
def disk_full(store: Store) -> Iterator[None]:
    """No file of this process grows while this lasts: the commit itself fails, as on a full disk."""
    assert isinstance(store, SqliteStore)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{store.path}-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def key_of(embedded: SqliteStore) -> Key:
    """A key of an account on the embedded store."""
    return add_key(embedded)[0]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[SqliteStore]:
    """A migrated database on SQLite, where other writes are part of a batch."""
    made = migrated(tmp_path / "ledger.db")
    yield made
    made.close()


def _push(store: Store, key: Key) -> None:
    with store.writer.begin() as connection:
        for made in (LENIENT, STRICT):
            push_pack(connection, CATALOGUE, key.account, made, actor="t", now=time.time())
        activate(connection, CATALOGUE, key.account, "acme@1", force=True, actor="t", now=time.time())


def test_an_activation_counts_for_every_check_after_it_also_where_both_share_a_batch(
    embedded: SqliteStore, key_of: Key
) -> None:
    _push(embedded, key_of)
    with Running(embedded) as running:
        engine = running.engine
        assert running.check(key_of, goal=GOAL)["policy_version"] == "acme@1"

        async def both() -> Sequence[Any]:
            change = engine.write(
                lambda connection: activate(
                    connection, CATALOGUE, key_of.account, "acme@2", force=True, actor="t", now=time.time()
                )
            )
            return await asyncio.gather(change, check(engine, key_of, goal=GOAL))

        running.run(both())
        after = [running.check(key_of, goal=GOAL) for _ in range(3)]
        assert [answer["policy_version"] for answer in after] == ["acme@2"] * 3
        assert [answer["verdict"] for answer in after] == ["DENY"] * 3


def test_a_pack_that_is_pushed_and_activated_decides_in_that_very_batch(embedded: SqliteStore, key_of: Key) -> None:
    with Running(embedded) as running:
        engine = running.engine

        async def all_at_once() -> Sequence[Any]:
            now = time.time()
            return await asyncio.gather(
                engine.write(lambda c: push_pack(c, CATALOGUE, key_of.account, STRICT, actor="t", now=now)),
                engine.write(
                    lambda c: activate(c, CATALOGUE, key_of.account, "acme@2", force=True, actor="t", now=now)
                ),
                check(engine, key_of, goal=GOAL),
            )

        *_, answered = running.run(all_at_once())
        assert b'"policy_version":"acme@2"' in answered.body


def test_the_kill_switch_is_in_force_though_a_change_before_it_was_never_committed(
    embedded: SqliteStore, key_of: Key
) -> None:
    _push(embedded, key_of)
    other = add_key(embedded)[0]
    with Running(embedded) as running:
        engine = running.engine
        assert running.check(key_of, goal=GOAL)["verdict"] == "ALLOW"

        async def lost() -> Sequence[Any]:
            change = engine.write(
                lambda connection: set_key_status(
                    connection, CATALOGUE, other.id, "disabled", actor="t", now=time.time()
                )
            )
            return await asyncio.gather(change, check(engine, key_of, goal=GOAL), return_exceptions=True)

        with disk_full(embedded):
            assert all(isinstance(each, StoreUnavailable) for each in nonempty(running.run(lost())))
        elsewhere = again(embedded)
        with elsewhere.writer.begin() as connection:
            stop(connection, account=key_of.account, kind="account", target="", actor="t", now=time.time())
        elsewhere.close()
        after = [running.check(key_of, goal=GOAL) for _ in range(3)]
        assert [answer["verdict"] for answer in after] == ["DENY"] * 3
        assert {issue["code"] for answer in after for issue in answer["issues"]} >= {"KILL_SWITCH"}


def test_what_a_failed_commit_would_have_activated_decides_nothing(embedded: SqliteStore, key_of: Key) -> None:
    _push(embedded, key_of)
    with Running(embedded) as running:
        engine = running.engine
        running.check(key_of, goal=GOAL)

        async def lost() -> Sequence[Any]:
            now = time.time()
            return await asyncio.gather(
                engine.write(
                    lambda c: activate(c, CATALOGUE, key_of.account, "acme@2", force=True, actor="t", now=now)
                ),
                check(engine, key_of, goal=GOAL),
                return_exceptions=True,
            )

        with disk_full(embedded):
            assert all(isinstance(each, StoreUnavailable) for each in nonempty(running.run(lost())))
        assert [running.check(key_of, goal=GOAL)["policy_version"] for _ in range(2)] == ["acme@1"] * 2


def test_a_version_that_was_never_committed_leaves_nothing_of_itself_behind(embedded: SqliteStore, key_of: Key) -> None:
    with Running(embedded) as running:
        engine = running.engine
        running.check(key_of, goal=GOAL)

        async def pushed_and_active(made: Compiled) -> Sequence[Any]:
            now = time.time()
            return await asyncio.gather(
                engine.write(lambda c: push_pack(c, CATALOGUE, key_of.account, made, actor="t", now=now)),
                engine.write(
                    lambda c: activate(c, CATALOGUE, key_of.account, "acme@2", force=True, actor="t", now=now)
                ),
                check(engine, key_of, goal=GOAL),
                return_exceptions=True,
            )

        with disk_full(embedded):
            assert all(isinstance(each, StoreUnavailable) for each in nonempty(running.run(pushed_and_active(STRICT))))
        running.run(pushed_and_active(MILDER))
        assert running.check(key_of, goal=GOAL)["verdict"] == "DEFER"


def test_an_epoch_is_never_used_twice(store: Store, key: Key) -> None:
    """What a process keeps stands under the epoch that it was read at: an epoch that was lost must not come again."""
    seen = set()
    for _ in range(50):
        with store.writer.connect() as connection:
            transaction = connection.begin()
            set_key_status(connection, CATALOGUE, key.id, "disabled", actor="t", now=time.time())
            seen.add(connection.exec_driver_sql("SELECT epoch FROM config").scalar_one())
            transaction.rollback()
    assert len(seen) == 50
