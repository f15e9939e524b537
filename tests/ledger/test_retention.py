"""Retention: what is over is deleted a little at a time, what is not stays, and nobody has to wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import pytest
import sqlalchemy as sa

from stage0.engine import Engine, housekeeping
from stage0.engine.housekeeping import Housekeeper
from stage0.ledger import retention
from stage0.ledger.accounts import change_retention
from stage0.ledger.keys import Key
from stage0.ledger.postgres import partition_name
from stage0.ledger.records import add_outcome
from stage0.ledger.retention import LIMIT
from stage0.ledger.schema import decisions, events, idempotency, metadata, outcomes, run_starts, runs
from stage0.ledger.store import Store
from stage0.ledger.usage import windows_at
from stage0.wire import Outcome
from tests.ledger.opening import add_key, check, opened, recorded

T = TypeVar("T")
DAY: Final = 86_400.0
HOUR: Final = 3_600.0


class Moved:
    """A clock that stands still until it is moved, in Unix seconds."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Moved:
    return Moved()


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The housekeeper of a ledger does not begin by itself, except where a test wants it to."""
    monkeypatch.setattr(housekeeping, "FIRST", HOUR)


def _keep(store: Store, key: Key, days: int) -> None:
    with store.writer.begin() as connection:
        change_retention(connection, account=key.account, days=days, actor="t", now=time.time())


def _with(store: Store, clock: Moved, work: Callable[[Engine], Awaitable[T]]) -> T:
    async def run() -> T:
        async with opened(store, clock=clock) as engine:
            return await work(engine)

    return asyncio.run(run())


async def _keep_house(engine: Engine) -> int:
    """Passes until there is nothing left to do. Gives how many had something to do."""
    keeper = Housekeeper(engine)
    passes = 0
    while await keeper.turn():
        passes += 1
    return passes


async def _report(engine: Engine, key: Key, request_id: str) -> None:
    await engine.write(
        lambda connection: add_outcome(
            connection, key, request_id, Outcome(status="executed"), now=engine.clock(), own=True
        )
    )


def _count(store: Store, table: sa.Table) -> int:
    with store.reader.connect() as connection:
        found: int = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        return found


def _copies(store: Store, request_id: str, count: int) -> None:
    """More records like one, with ids just above its own."""
    with store.writer.begin() as connection:
        row = connection.execute(sa.select(decisions).where(decisions.c.id == request_id)).mappings().one()
        connection.execute(
            decisions.insert(), [{**row, "id": f"{request_id[:-5]}{number:05}"} for number in range(count)]
        )


# -- what goes and what stays


def test_records_outcomes_and_runs_go_after_the_days_of_their_account_and_events_stay(
    store: Store, key: Key, clock: Moved
) -> None:
    longer, _ = add_key(store)
    _keep(store, longer, 400)

    async def work(engine: Engine) -> tuple[str, ...]:
        ids = []
        for days in (0, 170, 20):
            clock.now += days * DAY
            for each in (key, longer):
                request_id, *_ = await check(engine, each, goal="List the tickets", context={"run_id": f"run {days}"})
                await _report(engine, each, request_id)
                ids.append(request_id)
        assert await _keep_house(engine) == 3
        assert await _keep_house(engine) == 0
        return tuple(ids)

    before = _count(store, events)
    first, *kept = _with(store, clock, work)
    assert recorded(store) == set(kept)
    with store.reader.connect() as connection:
        assert set(connection.execute(sa.select(outcomes.c.request_id)).scalars()) == set(kept)
        own = sa.select(runs.c.run_id).where(runs.c.account_id == key.account)
        assert sorted(connection.execute(own).scalars()) == ["run 170", "run 20"]
    assert _count(store, runs) == 5
    assert _count(store, events) == before
    assert first not in kept


def test_records_are_kept_for_180_days_where_nobody_says_otherwise(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> None:
        request_id, *_ = await check(engine, key)
        clock.now += 180 * DAY
        assert await _keep_house(engine) == 0
        assert recorded(store) == {request_id}
        clock.now += 1
        assert await _keep_house(engine) == 1
        assert recorded(store) == set()

    _with(store, clock, work)


def test_changed_days_count_from_the_next_pass(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> None:
        await check(engine, key)
        clock.now += 2 * DAY
        assert await _keep_house(engine) == 0
        _keep(store, key, 1)
        assert await _keep_house(engine) == 1

    _with(store, clock, work)
    assert recorded(store) == set()


def test_a_run_that_goes_on_is_kept_however_long_ago_it_began(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> None:
        await check(engine, key, context={"run_id": "long"})
        clock.now += 100 * DAY
        await check(engine, key, context={"run_id": "long"})
        clock.now += 100 * DAY
        await _keep_house(engine)
        assert (_count(store, decisions), _count(store, runs)) == (1, 1)
        clock.now += 100 * DAY
        await _keep_house(engine)
        assert (_count(store, decisions), _count(store, runs)) == (0, 0)

    _with(store, clock, work)


def test_a_run_that_goes_on_after_it_was_found_is_kept(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> None:
        await check(engine, key, context={"run_id": "old"})
        clock.now += 200 * DAY
        with store.writer.begin() as connection:
            for table in (decisions, idempotency, run_starts):
                connection.execute(table.delete())
        found = await engine.read(lambda connection: retention.find(connection, clock.now))
        assert found is not None
        assert (found.table, found.account, found.keys) == ("runs", key.account, [("old",)])
        await check(engine, key, context={"run_id": "old"})
        assert await engine.write(lambda connection: retention.delete(connection, found, clock.now)) == 0

    _with(store, clock, work)
    assert _count(store, runs) == 1


def test_answers_to_give_again_go_after_a_day_and_counts_of_begun_runs_after_an_hour(
    store: Store, key: Key, clock: Moved
) -> None:
    async def work(engine: Engine) -> list[tuple[int, int]]:
        left = []
        await check(engine, key, token="once", context={"run_id": "a"})
        for seconds in (HOUR - 1, 1, DAY - HOUR - 1, 1):
            clock.now += seconds
            await _keep_house(engine)
            left.append((_count(store, run_starts), _count(store, idempotency)))
        return left

    assert _with(store, clock, work) == [(1, 1), (0, 1), (0, 1), (0, 0)]
    assert len(recorded(store)) == 1


def test_a_clock_that_is_at_its_very_beginning_deletes_nothing(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> None:
        await check(engine, key)
        clock.now = 5.0
        assert await _keep_house(engine) == 0

    _with(store, clock, work)
    assert len(recorded(store)) == 1


# -- a little at a time


def test_a_pass_deletes_a_bounded_number_of_rows_and_says_that_there_is_more(
    store: Store, key: Key, clock: Moved
) -> None:
    _keep(store, add_key(store)[0], 400)  # so that no partition is dropped

    async def work(engine: Engine) -> list[int]:
        request_id, *_ = await check(engine, key)
        _copies(store, request_id, 2 * LIMIT)
        # Outcomes of one record may be many.
        for _ in range(3):
            await _report(engine, key, request_id)
        clock.now += 200 * DAY
        left = []
        keeper = Housekeeper(engine)
        while await keeper.turn():
            left.append(_count(store, decisions))
        return left

    assert _with(store, clock, work) == [LIMIT + 1, 1, 0, 0]
    assert _count(store, outcomes) == 0


def test_the_housekeeper_of_a_ledger_begins_by_itself_and_checks_go_on_meanwhile(
    store: Store, key: Key, clock: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def old(engine: Engine) -> None:
        request_id, *_ = await check(engine, key)
        _copies(store, request_id, 5 * LIMIT)
        clock.now += 200 * DAY

    async def work(engine: Engine) -> set[str]:
        mine: set[str] = set()
        async with asyncio.timeout(20):
            while len(recorded(store)) > len(mine):
                request_id, *_ = await check(engine, key)
                mine.add(request_id)
        return mine

    _with(store, clock, old)
    monkeypatch.setattr(housekeeping, "FIRST", 0.05)
    mine = _with(store, clock, work)
    assert recorded(store) == mine


def test_a_pass_that_fails_is_tried_again_and_does_not_end_the_housekeeper(
    store: Store, key: Key, clock: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "IDLE", 0.02)

    async def work(engine: Engine) -> None:
        await check(engine, key)
        monkeypatch.setattr(housekeeping, "FIRST", 0.0)
        keeping = asyncio.create_task(Housekeeper(engine).run())
        moment, clock.now = clock.now + 200 * DAY, float("nan")  # no date can be made of it
        await asyncio.sleep(0.1)
        clock.now = moment
        async with asyncio.timeout(20):
            while recorded(store):
                await engine.healthy()
        assert not keeping.done()
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping

    _with(store, clock, work)


# -- PostgreSQL: partitions, and several processes


on_postgresql = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


def _partitions(store: Store) -> set[str]:
    with store.reader.connect() as connection:
        return {
            name
            for name in sa.inspect(connection).get_table_names()
            if name.startswith("decisions_") and name not in metadata.tables
        }


@on_postgresql
def test_a_month_that_no_account_keeps_is_dropped_whole_and_the_next_one_is_made_ahead(
    store: Store, key: Key, clock: Moved
) -> None:
    begun = windows_at(clock.now).month
    longer, _ = add_key(store)
    _keep(store, longer, 400)

    async def work(engine: Engine) -> None:
        await check(engine, key)
        await check(engine, longer)
        clock.now += 300 * DAY
        await _keep_house(engine)
        assert partition_name(begun) in _partitions(store)
        assert len(recorded(store)) == 1
        clock.now += 140 * DAY
        await _keep_house(engine)

    _with(store, clock, work)
    now = windows_at(clock.now).month
    assert recorded(store) == set()
    assert _partitions(store) >= {partition_name(now + 1), partition_name(now + 2)}
    assert not _partitions(store) & {partition_name(begun), partition_name(begun + 1)}


@on_postgresql
def test_the_first_check_of_a_month_makes_no_partition(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> tuple[set[str], set[str]]:
        await check(engine, key)
        await _keep_house(engine)
        before = _partitions(store)
        clock.now += 31 * DAY
        await check(engine, key)
        return before, _partitions(store)

    before, after = _with(store, clock, work)
    assert before == after


@on_postgresql
def test_while_somebody_reads_an_old_month_it_stays_and_checks_do_not_wait(
    store: Store, key: Key, clock: Moved
) -> None:
    begun = windows_at(clock.now).month

    async def work(engine: Engine) -> float:
        await check(engine, key)
        clock.now += 300 * DAY
        await check(engine, key)
        with store.reader.connect() as connection, connection.begin():
            connection.execute(sa.select(decisions.c.id)).all()
            begin = time.monotonic()
            keeping = asyncio.create_task(_keep_house(engine))
            while not keeping.done():
                await check(engine, key)
            assert await keeping == 1
            return time.monotonic() - begin

    assert _with(store, clock, work) < 3
    assert partition_name(begun) in _partitions(store)


@on_postgresql
def test_one_process_at_a_time_keeps_house(store: Store, key: Key, clock: Moved) -> None:
    async def work(engine: Engine) -> tuple[int, int]:
        await check(engine, key)
        clock.now += 181 * DAY
        with store.writer.begin() as connection:
            found = retention.find(connection, clock.now)
            assert found is not None
            retention.delete(connection, found, clock.now)
            passes = await _keep_house(engine)
            left = len(recorded(store))
        return passes, left

    assert _with(store, clock, work) == (0, 1)


def test_every_table_that_grows_with_checks_is_looked_after() -> None:
    # Usage has a row for each key, the others only what people did.
    grow: set[Any] = {decisions, outcomes, runs, idempotency, run_starts}
    assert {retention._KEPT[table.name].table for table in grow} == grow
    assert set(metadata.tables) - set(retention._KEPT) == {
        "accounts",
        "api_keys",
        "config",
        "events",
        "policy_activations",
        "policy_active",
        "policy_packs",
        "stops",
        "usage",
        "usage_groups",
    }
