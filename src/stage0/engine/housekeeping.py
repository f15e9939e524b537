"""Keeping house in the background: what is over is deleted, and the next month's partition is made ahead of time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import structlog

from stage0.engine.steady import JUMP
from stage0.ledger.access import Work
from stage0.ledger.errors import LedgerError
from stage0.ledger.postgres import PostgresStore
from stage0.ledger.retention import delete, drop_partition, find, has_old_partition
from stage0.ledger.store import Store
from stage0.ledger.usage import windows_at

T = TypeVar("T")

log: Final = structlog.get_logger("stage0.ledger")

#: Seconds until the first pass, between passes while there is something to do, and while there is nothing.
FIRST: Final = 1.0
BUSY: Final = 0.05
IDLE: Final = 60.0


class Access(Protocol):
    """What keeping house needs of an engine."""

    store: Store
    clock: Callable[[], float]
    steady: Callable[[], float]

    async def read(self, work: Work[T]) -> T:
        """Run a read."""

    def write(self, work: Work[T], *, account: str = "") -> Awaitable[T]:
        """Run a write, in the turn of an account."""


class Housekeeper:
    """Deletes what is over, in the background of an engine, by the engine's clock."""

    def __init__(self, engine: Access) -> None:
        self._engine = engine
        self._ahead = -1
        self._look_after = 0.0

    async def run(self) -> None:
        """Keep house until cancelled. What fails is tried again with the next pass."""
        pause = FIRST
        while True:
            await asyncio.sleep(pause)
            turn = asyncio.create_task(self._try())
            try:
                pause = BUSY if await asyncio.shield(turn) else IDLE
            except asyncio.CancelledError:
                # Its threads cannot be cancelled: they end before the store is closed.
                await turn
                raise

    async def _try(self) -> bool:
        try:
            return await self.turn()
        except LedgerError:
            return False
        except Exception as error:
            log.error("housekeeping_failed", error=str(error).partition("\n")[0], exc_info=True)
            return False

    async def turn(self) -> bool:
        """One pass. Gives whether there may be more to do. Raises LedgerError.

        While the clock is not the one that usage is counted by, it has just jumped: nothing is deleted by it."""
        if abs(self._engine.clock() - self._engine.steady()) > JUMP:
            return False
        store = self._engine.store
        if isinstance(store, PostgresStore) and await self._partitions(store):
            return True
        return await self._rows()

    async def _rows(self) -> bool:
        engine, now = self._engine, self._engine.clock()
        doomed = await engine.read(lambda connection: find(connection, now))
        if doomed is None:
            return False
        return await engine.write(lambda connection: delete(connection, doomed, now), account=doomed.account) > 0

    async def _partitions(self, store: PostgresStore) -> bool:
        """Make the next month's partition, so that no check has to, and drop one that is over. Gives whether one was
        dropped; looks again at once then, else after a while."""
        if time.monotonic() < self._look_after:
            return False
        engine, now = self._engine, self._engine.clock()
        following = windows_at(now).month + 1
        if self._ahead != following:
            with store.translated():
                await asyncio.to_thread(store.make_partitions, following)
            self._ahead = following
        dropped = None
        if await engine.read(lambda connection: has_old_partition(connection, now)):
            # Where the table is in use for long, rows are deleted all the same.
            with contextlib.suppress(LedgerError):
                dropped = await engine.write(lambda connection: drop_partition(connection, now))
        if dropped is None:
            self._look_after = time.monotonic() + IDLE
            return False
        log.info("partition_dropped", partition=dropped)
        return True
