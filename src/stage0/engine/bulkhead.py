"""A bulkhead: work that takes long, bounded in all and for each account, so that nobody's keeps another's waiting."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stage0.ledger.errors import Overloaded


class Bulkhead:
    """At most `running` at once, `each` of one account; of each account `waiting` more wait, for `patience` seconds.

    Whoever has fewest running goes first, and among equals in turns. For one event loop."""

    def __init__(self, what: str, *, running: int, each: int, waiting: int, patience: float) -> None:
        self._what = what
        self._limit = running
        self._each = each
        self._waiting_limit = waiting
        self._patience = patience
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it. Raises Overloaded."""
        await self.acquire(account)
        try:
            yield
        finally:
            self.release(account)

    async def acquire(self, account: str) -> None:
        """Wait for a turn, which `release` ends. Raises Overloaded where too many wait already, or for too long."""
        waiting = self._waiting.setdefault(account, deque())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        self._start()
        try:
            if not turn.done() and len(waiting) > self._waiting_limit:
                raise Overloaded(f"this account has too many {self._what} under way already")
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.release(account)
            else:
                self._forget(account, turn)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"the deadline passed while others' {self._what} were under way") from None
            raise

    def release(self, account: str) -> None:
        """End a turn."""
        self._running[account] -= 1
        if not self._running[account]:
            del self._running[account]
        self._start()

    def _start(self) -> None:
        while self._running.total() < self._limit:
            ready = [account for account in self._waiting if self._running[account] < self._each]
            if not ready:
                return
            account = min(ready, key=self._running.__getitem__)
            turn = self._waiting[account][0]
            self._waiting.move_to_end(account)
            self._forget(account, turn)
            if not turn.cancelled():
                self._running[account] += 1
                turn.set_result(None)

    def _forget(self, account: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(account)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[account]
