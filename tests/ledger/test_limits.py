"""Quotas and rates are exact: at midnight, at the month's end, for keys in a group, and where many arrive at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from stage0.engine import Engine
from stage0.ledger import LimitReached
from stage0.ledger.accounts import change_limits, change_plan
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, change_key, create_key, get_key, rotate_key, set_group
from stage0.ledger.store import Store
from stage0.ledger.usage import Limits, ends, month_key, windows_at
from tests.asserting import nonempty
from tests.catalogue import CATALOGUE
from tests.ledger.opening import ROOT, Clock, Running, add_key, check, opened, recorded


def _limited(store: Store, **limits: int) -> Key:
    """A key of an account with these limits."""
    key, _ = add_key(store)
    with store.writer.begin() as connection:
        change_limits(connection, account=key.account, limits=Limits(**limits), actor="t", now=time.time())
        return get_key(connection, CATALOGUE, key.id)


def _another(store: Store, key: Key, **more: Any) -> Key:
    """A further key of the same account."""
    with store.writer.begin() as connection:
        return create_key(
            connection, CATALOGUE, Keyring([ROOT]), account=key.account, actor="t", now=time.time(), **more
        )[0]


def _spends(running: Running, key: Key) -> str:
    """`passes`, or the window that is spent."""
    try:
        running.check(key)
    except LimitReached as reached:
        return reached.window
    return "passes"


def test_a_rate_holds_for_the_minute_and_begins_anew_with_the_next(store: Store) -> None:
    key, clock = _limited(store, minute=2), Clock("2026-03-16T10:00:59.5+00:00")
    with Running(store, clock) as running:
        assert [_spends(running, key) for _ in range(3)] == ["passes", "passes", "minute"]
        clock.move(0.5)
        assert [_spends(running, key) for _ in range(3)] == ["passes", "passes", "minute"]
    assert len(recorded(store)) == 4


@pytest.mark.parametrize(
    ("last", "first", "window"),
    [
        ("2026-03-16T23:59:59.9+00:00", "2026-03-17T00:00:00+00:00", "day"),
        ("2028-02-28T23:59:59.9+00:00", "2028-02-29T00:00:00+00:00", "day"),
        ("2028-02-29T23:59:59.9+00:00", "2028-03-01T00:00:00+00:00", "month"),
        ("2026-02-28T23:59:59.9+00:00", "2026-03-01T00:00:00+00:00", "month"),
        ("2026-12-31T23:59:59.9+00:00", "2027-01-01T00:00:00+00:00", "month"),
    ],
)
def test_quotas_turn_at_midnight_utc(last: str, first: str, window: str, store: Store) -> None:
    key, clock = _limited(store, **{window: 1}), Clock(last)
    with Running(store, clock) as running:
        assert [_spends(running, key) for _ in range(2)] == ["passes", window]
        clock.set(first)
        assert [_spends(running, key) for _ in range(2)] == ["passes", window]


def test_the_month_is_named_before_the_day_and_the_day_before_the_minute(store: Store) -> None:
    key, clock = _limited(store, month=3, day=2, minute=1), Clock()
    with Running(store, clock) as running:
        seen = [_spends(running, key), _spends(running, key)]
        clock.move(60)
        seen += [_spends(running, key), _spends(running, key)]
        clock.move(86400)
        seen += [_spends(running, key), _spends(running, key)]
    assert seen == ["passes", "minute", "passes", "day", "passes", "month"]


def test_a_refused_check_is_not_recorded_and_costs_nothing(store: Store) -> None:
    key, clock = _limited(store, day=2), Clock()
    with Running(store, clock) as running:
        for _ in range(5):
            _spends(running, key)
        assert running.used(key) == [(2, 2, 2)]
    assert len(recorded(store)) == 2


def test_of_many_that_arrive_at_once_exactly_as_many_pass_as_there_are_left(store: Store) -> None:
    key = _limited(store, day=70)
    with Running(store, Clock()) as running:
        results = running.at_once(*[(key, {"goal": f"List ticket {number}"}) for number in range(200)])
        assert sum(isinstance(each, dict) for each in results) == 70
        assert sum(isinstance(each, LimitReached) for each in results) == 130
        assert running.used(key) == [(70, 70, 70)]
    assert len(recorded(store)) == 70


def test_keys_of_a_group_share_one_envelope_and_each_may_have_a_part_of_its_own(store: Store) -> None:
    first = _limited(store, day=1000)
    with store.writer.begin() as connection:
        set_group(connection, account=first.account, name="bots", limits=Limits(day=10), actor="t", now=time.time())
    runaway = _another(store, first, group="bots", limits=Limits(day=6))
    other = _another(store, first, group="bots")
    with Running(store, Clock()) as running:
        assert [_spends(running, runaway) for _ in range(8)].count("passes") == 6
        assert [_spends(running, other) for _ in range(8)].count("passes") == 4
        assert _spends(running, first) == "passes"
        assert running.used(runaway) == [(6, 6, 6), (10, 10, 10)]
        assert running.used(other) == [(4, 4, 4), (10, 10, 10)]


def test_a_rotated_key_goes_on_where_the_old_one_was(store: Store) -> None:
    key = _limited(store, day=3)
    with Running(store, Clock()) as running:
        assert [_spends(running, key) for _ in range(2)] == ["passes", "passes"]
        new = running.write(
            lambda connection: rotate_key(
                connection, CATALOGUE, Keyring([ROOT]), key.id, actor="t", now=time.time(), grace_seconds=1e9
            )
        )[0]
        assert [_spends(running, new) for _ in range(2)] == ["passes", "day"]
        assert _spends(running, key) == "day"


def test_a_raised_limit_and_another_plan_count_from_the_next_batch(store: Store) -> None:
    key = _limited(store, day=1)
    with Running(store, Clock()) as running:
        assert [_spends(running, key) for _ in range(2)] == ["passes", "day"]
        running.write(
            lambda connection: change_limits(
                connection, account=key.account, limits=Limits(day=2), actor="t", now=time.time()
            )
        )
        assert [_spends(running, key) for _ in range(2)] == ["passes", "day"]
        running.write(
            lambda connection: change_limits(connection, account=key.account, limits=Limits(), actor="t", now=0)
        )
        running.write(
            lambda connection: change_plan(
                connection, CATALOGUE, account=key.account, plan="free", actor="t", now=time.time()
            )
        )
        assert [_spends(running, key) for _ in range(30)].count("passes") == 18


def test_a_limit_below_what_was_used_already_stops_and_breaks_nothing(store: Store) -> None:
    key = _limited(store, day=50)
    with Running(store, Clock()) as running:
        for _ in range(5):
            running.check(key)
        running.write(
            lambda connection: change_key(connection, CATALOGUE, key.id, limits=Limits(day=3), actor="t", now=0)
        )
        assert _spends(running, key) == "day"
        assert running.used(key) == [(5, 5, 5)]


def test_a_key_that_is_known_to_have_nothing_left_is_refused_from_memory_until_its_window_turns(store: Store) -> None:
    key, clock = _limited(store, minute=1), Clock("2026-03-16T10:00:10+00:00")
    with Running(store, clock) as running:
        running.engine.refuse_exhausted(key)
        assert [_spends(running, key) for _ in range(2)] == ["passes", "minute"]
        clock.move(20)
        with pytest.raises(LimitReached) as refused:
            running.engine.refuse_exhausted(key)
        assert (refused.value.window, refused.value.limit, round(refused.value.wait)) == ("minute", 1, 30)
        clock.move(30)
        running.engine.refuse_exhausted(key)
        assert _spends(running, key) == "passes"


def test_a_limit_that_is_raised_beside_the_server_frees_a_key_that_has_nothing_left(store: Store) -> None:
    key = _limited(store, day=1)

    async def run() -> bool:
        async with opened(store, clock=Clock()) as engine:
            await check(engine, key)
            with pytest.raises(LimitReached):
                await check(engine, key)
            with store.writer.begin() as connection:
                change_limits(connection, account=key.account, limits=Limits(day=2), actor="t", now=time.time())
            for _ in range(100):
                try:
                    engine.refuse_exhausted(key)
                except LimitReached:
                    await asyncio.sleep(0.05)
                else:
                    return True
            return False

    assert asyncio.run(run())


def test_events_tell_once_when_most_and_when_all_of_a_quota_is_used(store: Store) -> None:
    key, clock = _limited(store, day=10, month=12), Clock()
    with Running(store, clock) as running:

        def after(checks: int) -> list[tuple[Any, ...]]:
            for _ in range(checks):
                _spends(running, key)
            running.run(asyncio.sleep(0.7))
            found = running.events("usage.threshold")
            return sorted((each["window"], each["percent"], each["limit"]) for each in found)

        assert after(7) == []
        assert after(1) == [("day", 80, 10)]
        both = [("day", 80, 10), ("day", 100, 10), ("month", 80, 12)]
        assert after(2) == both
        assert after(3) == both
        clock.move(86400)
        assert after(3) == [*both, ("month", 100, 12)]


@pytest.mark.parametrize(
    ("at", "month"),
    [
        ("1970-01-01T00:00:00+00:00", "1970-01"),
        ("2026-11-20T12:00:00+00:00", "2026-11"),
        ("2028-02-29T23:59:59+00:00", "2028-02"),
    ],
)
def test_windows_are_numbered_from_1970_and_end_where_the_next_begins(at: str, month: str) -> None:
    now = Clock(at).now
    found = windows_at(now)
    assert month_key(found.month) == month
    for window in ("month", "day", "minute"):
        end = ends(window, getattr(found, window))
        assert now < end
        assert getattr(windows_at(end - 0.001), window) == getattr(found, window)
        assert getattr(windows_at(end), window) == getattr(found, window) + 1


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("limits", [{"day": 137}, {"minute": 1}, {"month": 40}])
def test_a_quota_of_n_gives_exactly_n_answers_from_two_servers_in_a_race(limits: dict[str, int], store: Store) -> None:
    key = _limited(store, **limits)

    async def client(engine: Engine, number: int) -> int:
        passed = 0
        for turn in range(12):
            try:
                await check(engine, key, goal=f"List ticket {number}-{turn}")
                passed += 1
            except LimitReached:
                pass
        return passed

    async def run() -> int:
        clock = Clock()
        async with opened(store, clock=clock) as one, opened(store, clock=clock) as other:
            return sum(await asyncio.gather(*[client(engine, each) for each in range(16) for engine in (one, other)]))

    assert asyncio.run(run()) == next(iter(limits.values())) == len(recorded(store))


def test_a_key_and_the_one_that_it_replaces_share_a_count_and_keep_their_own_limits(store: Store) -> None:
    old = _limited(store, month=1000)
    with store.writer.begin() as connection:
        change_key(connection, CATALOGUE, old.id, limits=Limits(month=3), actor="t", now=0)
        new, _ = rotate_key(
            connection, CATALOGUE, Keyring([ROOT]), old.id, actor="t", now=time.time(), grace_seconds=1e9
        )
        change_key(connection, CATALOGUE, new.id, limits=Limits(month=100), actor="t", now=0)
    for first, second in ((old, new), (new, old)):
        with Running(store, Clock()) as running:
            results = running.at_once(
                *[(key, {"goal": f"List ticket {n}"}) for n in range(4) for key in (first, second)]
            )
            passed = [isinstance(each, dict) for each in results]
            of_new, of_old = (passed[1::2], passed[::2]) if second is new else (passed[::2], passed[1::2])
            assert all(nonempty(of_new))
            assert not all(of_old)
            running.engine.refuse_exhausted(new)
