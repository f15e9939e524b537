"""A bulkhead: few at once in all, fewer of one account, and nobody's work keeps another's waiting."""

from __future__ import annotations

import asyncio

import pytest

from stage0.engine.bulkhead import Bulkhead
from stage0.ledger import Overloaded


class _Asked:
    """Turns that accounts ask for, named by the account and a number."""

    def __init__(self, **limits: float) -> None:
        self._bulkhead = Bulkhead("reads", **{"running": 2, "each": 1, "waiting": 2, "patience": 60, **limits})  # type: ignore[arg-type]
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, *names: str) -> None:
        for name in names:
            self.tasks[name] = asyncio.create_task(self._bulkhead.acquire(name[0]))
        await self._settled()

    async def end(self, name: str) -> None:
        self._bulkhead.release(name[0])
        await self._settled()

    async def give_up(self, name: str) -> None:
        self.tasks[name].cancel()
        await self._settled()

    def running(self) -> set[str]:
        return {
            name for name, task in self.tasks.items() if task.done() and not task.cancelled() and not task.exception()
        }

    def refused(self) -> set[str]:
        return {name for name, task in self.tasks.items() if task.done() and not task.cancelled() and task.exception()}

    async def _settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def test_one_account_has_its_share_and_what_is_beyond_its_queue_is_refused() -> None:
    async def run() -> None:
        asked = _Asked()
        await asked.ask("a1", "a2", "a3", "a4", "a5")
        assert asked.running() == {"a1"}
        assert asked.refused() == {"a4", "a5"}
        with pytest.raises(Overloaded, match="too many reads"):
            asked.tasks["a4"].result()
        await asked.ask("b1")
        assert asked.running() == {"a1", "b1"}
        await asked.end("a1")
        assert asked.running() == {"a1", "a2", "b1"}

    asyncio.run(run())


def test_where_all_turns_are_taken_accounts_come_in_turns() -> None:
    async def run() -> None:
        asked = _Asked(running=1)
        await asked.ask("a1", "a2", "a3", "b1", "b2", "c1")
        assert asked.running() == {"a1"}
        order: list[str] = []
        for _ in range(5):
            before = asked.running()
            await asked.end((order or ["a1"])[-1])
            order += asked.running() - before
        assert order == ["a2", "b1", "c1", "a3", "b2"]

    asyncio.run(run())


def test_who_has_fewest_running_comes_first() -> None:
    async def run() -> None:
        asked = _Asked(running=3, each=2)
        await asked.ask("a1", "a2", "b1", "a3", "b2", "c1")
        assert asked.running() == {"a1", "a2", "b1"}
        await asked.end("a1")
        assert asked.running() == {"a1", "a2", "b1", "c1"}

    asyncio.run(run())


def test_who_gives_up_leaves_its_place_and_a_turn_that_came_too_late_is_given_on() -> None:
    async def run() -> None:
        asked = _Asked(running=1)
        await asked.ask("a1", "b1", "c1")
        await asked.give_up("b1")
        asked.tasks["c1"].cancel()
        await asked.end("a1")
        await asked.ask("d1")
        assert asked.running() == {"a1", "d1"}

    asyncio.run(run())


def test_who_waits_for_too_long_is_refused_and_leaves_its_place() -> None:
    async def run() -> None:
        asked = _Asked(running=1, patience=0.01)
        await asked.ask("a1", "b1")
        with pytest.raises(Overloaded, match="deadline passed"):
            await asked.tasks["b1"]
        await asked.end("a1")
        await asked.ask("c1")
        assert "c1" in asked.running()

    asyncio.run(run())
