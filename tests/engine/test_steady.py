"""Windows do not follow a clock that jumps, and what a jump has left behind can be reset."""

from __future__ import annotations

import time

import pytest

from stage0.engine.steady import SteadyClock
from stage0.ledger import LimitReached
from stage0.ledger.accounts import change_limits
from stage0.ledger.keys import Key
from stage0.ledger.store import Store
from stage0.ledger.usage import Limits, reset_usage
from tests.ledger.opening import Clock, Running, add_key

HOUR = 3_600.0


class Clocks:
    """A wall clock and a monotonic one that the test moves."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 5_000.0
        self.steady = SteadyClock(lambda: self.wall, lambda: self.monotonic)

    def passes(self, seconds: float) -> float:
        """Time goes on. Gives how far the steady clock is from where the wall clock stood at first, less the time that
        has really passed."""
        self.wall += seconds
        self.monotonic += seconds
        return self.steady() - 1_800_000_000.0 - (self.monotonic - 5_000.0)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 3.0, -3.0, 400 * 86_400.0])
def test_a_jump_there_and_back_is_not_followed(jump: float) -> None:
    clocks = Clocks()
    assert clocks.passes(10) == 0
    clocks.wall += jump
    assert [clocks.passes(1) for _ in range(50)] == [0.0] * 50
    clocks.wall -= jump
    assert [clocks.passes(1) for _ in range(200)] == [0.0] * 200


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_that_stays_is_followed_after_a_minute(jump: float) -> None:
    clocks = Clocks()
    clocks.wall += jump
    clocks.passes(1)
    assert clocks.passes(58) == 0
    assert clocks.passes(3) == jump


def test_a_clock_that_jumps_about_is_not_followed() -> None:
    clocks = Clocks()
    for number in range(40):
        clocks.wall += 100.0 * (-1) ** number
        assert clocks.passes(20) == 0


def test_a_clock_that_is_put_right_little_by_little_is_followed_at_once() -> None:
    clocks = Clocks()
    for number in range(1, 100):
        clocks.wall += 0.5
        assert clocks.passes(1) == pytest.approx(0.5 * number)


def _limited(store: Store) -> Key:
    key, _ = add_key(store)
    with store.writer.begin() as connection:
        change_limits(connection, account=key.account, limits=Limits(minute=3), actor="t", now=0)
    return key


def test_a_key_that_was_used_up_in_the_future_is_blocked_until_it_is_reset(store: Store) -> None:
    key, clock = _limited(store), Clock()
    began = clock.now
    with Running(store, clock) as running:
        clock.now = began + HOUR
        for _ in range(3):
            running.check(key)
        clock.now = began
        with pytest.raises(LimitReached):
            running.check(key)
        with store.writer.begin() as connection:
            reset_usage(connection, key.account, key.id, everything=False, actor="t", now=clock.now)
        assert running.check(key)["verdict"] == "ALLOW"
        assert running.used(key)[0][2] == 1


def test_a_reset_leaves_the_windows_that_are_running_unless_it_is_told_otherwise(store: Store) -> None:
    key, clock = _limited(store), Clock()
    with Running(store, clock) as running:
        for _ in range(2):
            running.check(key)
        with store.writer.begin() as connection:
            reset_usage(connection, key.account, key.id, everything=False, actor="t", now=clock.now)
        assert running.used(key) == [(2, 2, 2)]
        with store.writer.begin() as connection:
            reset_usage(connection, key.account, key.id, everything=True, actor="t", now=clock.now)
        assert running.used(key) == [(0, 0, 0)]
        running.check(key)
        assert running.used(key) == [(1, 1, 1)]


def test_a_reset_is_an_event_that_says_what_was_used(store: Store) -> None:
    key = _limited(store)
    with Running(store) as running:
        running.check(key)
        with store.writer.begin() as connection:
            reset_usage(connection, key.account, key.id, everything=True, actor="cli:ada", now=time.time())
        assert running.events("usage.reset") == [
            {"target": key.id, "month": 1, "day": 1, "minute": 1, "everything": True}
        ]
