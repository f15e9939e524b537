"""Whoever keeps asking with nothing left is answered slowly, and gets what was answered before all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stage0.ledger import LimitReached
from stage0.server import limits
from stage0.server.limits import Throttle


class Spent:
    """A ledger in which a key has nothing left, or enough."""

    spent = True

    def refuse_exhausted(self, key: Any) -> None:
        if self.spent:
            raise LimitReached("key_1", "minute", 20, 30.0)


class Key:
    id = "key_1"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which is waited for."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


def _asks(throttle: Throttle, engine: Any, times: int, *, retried: bool = False) -> int:
    """How many of so many requests were refused."""
    refused = 0
    for _ in range(times):
        try:
            asyncio.run(throttle.enter(engine, Key(), retried=retried))  # type: ignore[arg-type]
        except LimitReached:
            refused += 1
    return refused


def test_the_first_refusals_are_quick_and_those_after_them_are_not(pauses: list[float]) -> None:
    throttle, engine = Throttle(), Spent()
    assert _asks(throttle, engine, limits._QUICK_REFUSALS) == limits._QUICK_REFUSALS
    assert pauses == []
    assert _asks(throttle, engine, 3) == 3
    assert pauses == [limits._PAUSE] * 3


def test_what_may_have_been_answered_before_passes_and_is_slow_as_well(pauses: list[float]) -> None:
    throttle, engine = Throttle(), Spent()
    assert _asks(throttle, engine, limits._QUICK_REFUSALS + 2, retried=True) == 0
    assert len(pauses) == 2


def test_a_key_that_has_something_left_again_begins_anew(pauses: list[float]) -> None:
    throttle, engine = Throttle(), Spent()
    _asks(throttle, engine, limits._QUICK_REFUSALS + 5)
    engine.spent = False
    assert _asks(throttle, engine, 1) == 0
    engine.spent = True
    del pauses[:]
    _asks(throttle, engine, limits._QUICK_REFUSALS)
    assert pauses == []
