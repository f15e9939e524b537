"""Reading bodies: small ones where they arrive, large ones beside the event loop, in turns by account.

To read a request takes time in proportion to its length, and others need not wait for it. The time that was taken is
held against the account, whatever came of the request: it is charged to its turns, never to its quota."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from stage0.engine.queue import FairQueue, Turns
from stage0.engine.writer import timed
from stage0.ledger import Overloaded

T = TypeVar("T")

#: Bytes of a body past which it is read beside the event loop. The dearest texts take 3 ms for each kilobyte.
LARGE: Final = 2_048
#: How many bodies may wait to be read, and how many bytes: of all accounts, and of one.
_WAITING: Final = 1_000
_BYTES: Final = 32_000_000
_BYTES_EACH: Final = 8_000_000
#: The longest rest after a body while others are active, in seconds.
_REST_MAX: Final = 0.25


class _Body:
    """A body that waits to be read."""

    __slots__ = ("account", "future", "work")

    def __init__(self, account: str, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.account = account
        self.work = work
        self.future = future


class Bodies:
    """Reads bodies. `deadline` is how many seconds a large one may wait and be read."""

    def __init__(self, turns: Turns, deadline: float) -> None:
        self._turns = turns
        self._deadline = deadline
        self._queue: FairQueue[_Body] = FairQueue(_WAITING, turns)
        # One thread: several that run Python would only take turns, and each keep the event loop waiting.
        self._thread = ThreadPoolExecutor(1, "stage0-bodies")
        self._reading: asyncio.Task[None] | None = None
        #: Bytes that wait, by account.
        self._held: Counter[str] = Counter()

    async def read(self, account: str, size: int, work: Callable[[bool], T]) -> T:
        """Do the work of reading a body of so many bytes; it is told whether it runs beside the event loop. So does a
        small one whose account has taken more time than others. Raises what the work raises, and Overloaded."""
        turns = self._turns
        if size > LARGE or turns.is_behind(account):
            return await self._beside(account, size, lambda: work(True))
        began = time.perf_counter()
        try:
            return work(False)
        finally:
            turns.charge(account, time.perf_counter() - began)

    async def _beside(self, account: str, size: int, work: Callable[[], T]) -> T:
        held = self._held[account]
        if held + size > _BYTES_EACH or sum(self._held.values()) + size > _BYTES:
            raise Overloaded("too many large requests wait to be read already")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        displaced = self._queue.put(_Body(account, work, future))
        if displaced is not None:
            refused = Overloaded("too many requests wait to be read already")
            if displaced.future is future:
                raise refused
            if not displaced.future.done():
                displaced.future.set_exception(refused)
        self._held[account] += size
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        try:
            return await asyncio.wait_for(future, self._deadline)
        except TimeoutError:
            raise Overloaded("the deadline passed while the request was being read") from None
        finally:
            self._held[account] -= size
            if not self._held[account]:
                del self._held[account]

    async def _read_all(self) -> None:
        """Read what waits, one after the other."""
        try:
            while self._queue:
                [body] = self._queue.take(1)
                if body.future.done():  # nobody waits for it any more
                    continue
                running = asyncio.get_running_loop().run_in_executor(self._thread, timed, body.work)
                result, error, seconds = await running
                self._turns.charge(body.account, seconds)
                if self._turns.active() > 1:
                    # Half of the time is for the others: two threads that run Python take it from each other.
                    await asyncio.sleep(min(seconds, _REST_MAX))
                if body.future.done():
                    continue
                if error is None:
                    body.future.set_result(result)
                else:
                    body.future.set_exception(error)
        finally:
            self._reading = None
