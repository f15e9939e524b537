"""Reading bodies: small ones where they arrive, large ones in a process of their own, in turns by account.

To read a request takes time in proportion to its length, and others need not wait for it. The time that was taken is
held against the account, whatever came of the request: it is charged to its turns, never to its quota."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

from stage0.engine.queue import FairQueue, Turns
from stage0.engine.worker import Outcome, Worker
from stage0.ledger import Overloaded

T = TypeVar("T")
Given = TypeVarTuple("Given")

#: Bytes of a body past which it is read beside the event loop. The dearest texts take 3 ms for each kilobyte.
LARGE: Final = 2_048
#: How many bodies may wait to be read, and how many bytes: of all accounts, and of one.
_WAITING: Final = 1_000
_BYTES: Final = 32_000_000
_BYTES_EACH: Final = 8_000_000


class _Body:
    """A body that waits to be read."""

    __slots__ = ("account", "future", "read")

    def __init__(self, account: str, read: Callable[[], Awaitable[Outcome[Any]]], future: asyncio.Future[Any]) -> None:
        self.account = account
        self.read = read
        self.future = future


class Bodies:
    """Reads bodies. `deadline` is how many seconds a large one may wait and be read."""

    def __init__(self, turns: Turns, worker: Worker, deadline: float) -> None:
        self._turns = turns
        self._worker = worker
        self._deadline = deadline
        self._queue: FairQueue[_Body] = FairQueue(_WAITING, turns)
        self._reading: asyncio.Task[None] | None = None
        #: Bytes that wait, by account.
        self._held: Counter[str] = Counter()

    def is_large(self, account: str, size: int) -> bool:
        """Whether a body is read beside the event loop: a large one, and a small one whose account has taken more time
        than others."""
        return size > LARGE or self._turns.is_behind(account)

    def read(self, account: str, work: Callable[[*Given], T], *given: *Given) -> T:
        """Read a small body. Raises what the work raises."""
        began = time.perf_counter()
        try:
            return work(*given)
        finally:
            self._turns.charge(account, time.perf_counter() - began)

    async def read_beside(self, account: str, size: int, work: Callable[[*Given], T], *given: *Given) -> T:
        """Read a large body of so many bytes, in its account's turn: by a function of a module, since it is called in
        another process. Raises what the work raises, and Overloaded."""
        held = self._held[account]
        if held + size > _BYTES_EACH or sum(self._held.values()) + size > _BYTES:
            raise Overloaded("too many large requests wait to be read already")
        if not self._worker.running:
            await self._start()  # not in the time that the deadline leaves
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        displaced = self._queue.put(_Body(account, partial(self._worker.run, work, *given), future))
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

    async def _start(self) -> None:
        try:
            await self._worker.start()
        except OSError as error:
            raise Overloaded(f"large requests cannot be read: {error}") from None

    async def _read_all(self) -> None:
        """Read what waits, one after the other."""
        try:
            while self._queue:
                [body] = self._queue.take(1)
                if body.future.done():  # nobody waits for it any more
                    continue
                try:
                    result, error, seconds = await body.read()
                except Overloaded as ended:
                    result, error, seconds = None, ended, 0.0
                self._turns.charge(body.account, seconds)
                if body.future.done():
                    continue
                if error is None:
                    body.future.set_result(result)
                else:
                    body.future.set_exception(error)
        finally:
            self._reading = None
