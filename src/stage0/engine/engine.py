"""The engine as the server sees it: look up a key, record a check, read records. All durable state is behind it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog

from stage0.core.pack import Pack
from stage0.engine.bulkhead import Bulkhead
from stage0.engine.housekeeping import Housekeeper
from stage0.engine.job import Answered, CheckJob, WriteJob
from stage0.engine.queue import Turns
from stage0.engine.worker import Worker
from stage0.engine.writer import Writer
from stage0.ledger.access import Work, read, read_epoch, read_within, touch, write
from stage0.ledger.catalogue import Catalogue
from stage0.ledger.errors import LedgerError, LimitReached
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, key_by_text
from stage0.ledger.migrate import assert_current
from stage0.ledger.packs import PackCache, pushed_since, read_actives
from stage0.ledger.store import Store
from stage0.ledger.usage import warn

log: Final = structlog.get_logger("stage0.ledger")

T = TypeVar("T")
_JANITOR_SECONDS: Final = 0.25
#: Turns of the janitor between looks at whether limits have changed, where some key has nothing left.
_LOOK_EVERY: Final = 4
_KEY_CACHE: Final = 20_000
#: Packs that are loaded before the first check.
_LOADED_FIRST: Final = 32
#: Threads that read beside the writer.
_THREADS: Final = 4
#: Reads that may take long, such as lists: how many at once in all and of one account, how many of an account wait, and
#: after how many seconds one is interrupted.
LISTS: Final = 4
LISTS_EACH: Final = 2
LISTS_WAITING: Final = 8
LIST_SECONDS_MAX: Final = 2.0
#: Threads that look up keys, and look whether the database is well. Nothing that takes long is done on them.
_KEY_THREADS: Final = 2
#: Batches of checks in a row that could not be recorded after which the server is not healthy, and for how many
#: seconds after the last of them, where no check is tried.
FAILED_BATCHES: Final = 3
FAILED_SECONDS: Final = 30.0
#: Seconds after which a probe is given up.
HEALTH_SECONDS: Final = 2.0


class Engine:
    """One server process's access to all durable state."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        catalogue: Catalogue,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float] | None = None,
        engine_version: str,
        capacity: int,
        deadline: float,
    ) -> None:
        self.store = store
        self.keyring = keyring
        self.catalogue = catalogue
        self.pack_cache = PackCache(catalogue.packs)
        self.turns = Turns()
        self.worker = Worker()
        self.clock = clock
        #: The clock by which usage is counted.
        self.steady = steady or clock
        self.deadline = deadline
        self._writer = Writer(
            store,
            clock=clock,
            steady=self.steady,
            catalogue=catalogue,
            pack_cache=self.pack_cache,
            turns=self.turns,
            worker=self.worker,
            fingerprint=keyring.fingerprint,
            engine_version=engine_version,
            capacity=capacity,
            deadline=deadline,
        )
        # Kept keys stand under a hash of their own, which is quicker than the stored one and ends with the process.
        self._cache_key = os.urandom(32)
        self._keys: dict[bytes, Key] = {}
        self._keys_version = self._writer.version
        #: Until when what was pushed has been loaded, in Unix microseconds.
        self._pushed = int(clock() * 1e6)
        self._janitor: asyncio.Task[None] | None = None
        self._expirer: asyncio.Task[None] | None = None
        # Threads of their own: nothing that a request brings along may keep a look at a key waiting.
        self._key_threads = ThreadPoolExecutor(_KEY_THREADS, "stage0-key")
        self._threads = ThreadPoolExecutor(_THREADS, "stage0-reads")
        self._list_threads = ThreadPoolExecutor(LISTS, "stage0-lists")
        self._lists = Bulkhead(
            "reads", running=LISTS, each=LISTS_EACH, waiting=LISTS_WAITING, patience=min(deadline, LIST_SECONDS_MAX * 2)
        )
        self._probe: asyncio.Task[bool] | None = None
        self._housekeeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Claim the store and start the writer. Raises Refused where the store is not fit for use."""
        await asyncio.to_thread(self.store.claim)
        await asyncio.to_thread(assert_current, self.store.reader)
        await self._load_active()
        self._writer.start()
        self._janitor = asyncio.create_task(self._tidy())
        self._expirer = asyncio.create_task(self._expire())
        self._housekeeper = asyncio.create_task(Housekeeper(self).run())

    async def close(self) -> None:
        """Commit what is queued, then let go of everything."""
        await _end(self._housekeeper)
        await _end(self._janitor)
        await _end(self._probe)
        await self._writer.close()
        await self.worker.close()
        await _end(self._expirer)
        # A thread goes on when whoever waited for it is gone, and holds a connection: the store is closed after it.
        for threads in (self._key_threads, self._threads, self._list_threads):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        await asyncio.to_thread(self.store.close)

    async def _tidy(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(_JANITOR_SECONDS)
            turn += 1
            try:
                if not self.store.in_place():
                    await self.write(touch)  # the batch sees to it
                if turn % _LOOK_EVERY == 0:
                    await self._look()
                    await self._load_ahead()
                await self._warn()
            except LedgerError:
                continue  # what cannot be read or written now is seen to in a later turn
            except Exception as error:
                log.error("janitor_failed", error=str(error).partition("\n")[0], exc_info=True)

    async def _expire(self) -> None:
        """Give up on what waits for too long. It waits for nothing itself: a stuck disk must not hold it up."""
        while True:
            await asyncio.sleep(_JANITOR_SECONDS)
            self._writer.expire()

    async def _look(self) -> None:
        """See raised limits where nothing is left: there are no batches then that would see them."""
        if not self._writer.exhausted:
            return
        generation = self.store.generation
        epoch = await self._look_up(read_epoch)
        if (generation, epoch) != self._writer.version:
            self._writer.exhausted.clear()

    async def _load_active(self) -> None:
        """Load the packs that decide, so that no first check waits for them; others when they are needed."""
        actives = await self.read(read_actives)
        wanted = {(account, pack) for (account, _), active in actives.items() for pack in active if pack}
        await self.read(lambda connection: self.pack_cache.load(connection, sorted(wanted)[:_LOADED_FIRST]))

    async def _load_ahead(self) -> None:
        """Load what another process has stored, before it is activated: the batch which sees that need not wait."""
        if not self.store.shared:
            return
        for account, pack_id, moment in await self.read(lambda c: pushed_since(c, self._pushed)):
            await self.load_pack(account, pack_id)
            self._pushed = moment

    async def _warn(self) -> None:
        """Write the events of thresholds that were reached."""
        waiting = self._writer.to_warn
        for at, counter in list(waiting.items()):
            account, holder, limits = counter.account, counter.holder, counter.limits
            await self.write(
                lambda connection, account=account, holder=holder, limits=limits: warn(  # type: ignore[misc]
                    connection, account, holder, limits, self.clock()
                )
            )
            if waiting.get(at) is counter:
                del waiting[at]

    def refuse_exhausted(self, key: Key) -> None:
        """Raises LimitReached where a key is known to have nothing left until its window is over."""
        known = self._writer.exhausted.get(key.id)
        if known is None:
            return
        until, reached = known
        wait = until - self.steady()
        if wait <= 0:
            del self._writer.exhausted[key.id]
            return
        raise LimitReached(reached.holder, reached.window, reached.limit, wait)

    async def key(self, text: str, *, fresh: bool = False) -> Key | None:
        """The key with this text; None where there is none.

        A check may use a kept one, since its batch looks again; everything else asks for a `fresh` one."""
        if fresh:
            return await self._look_up(lambda connection: key_by_text(connection, self.catalogue, self.keyring, text))
        if self._keys_version != self._writer.version or len(self._keys) > _KEY_CACHE:
            self._keys, self._keys_version = {}, self._writer.version
        identity = hashlib.blake2b(text.encode(), digest_size=16, key=self._cache_key).digest()
        key = self._keys.get(identity)
        if key is None:
            key = await self._look_up(lambda connection: key_by_text(connection, self.catalogue, self.keyring, text))
            # Only a key that works is kept: whoever is refused is looked up anew each time.
            if key is not None and key.status == "active":
                self._keys[identity] = key
        return key

    def pack_of(self, key: Key) -> Pack:
        """The pack that decides for a key, as far as is known before its check's turn has come."""
        return self._writer.pack_of(key)

    async def load_pack(self, account: str, pack_id: str) -> None:
        """Load a pack beside the event loop, so that the batch which needs it finds it. Raises StoreUnavailable."""
        if not self.pack_cache.has(account, pack_id):
            await self.read(lambda connection: self.pack_cache.load(connection, [(account, pack_id)]))

    def check(self, job: CheckJob) -> asyncio.Future[Answered]:
        """Decide and record. Gives the answer once the record is durable.

        Raises Overloaded; the future raises KeyRefused, PlanRefused, PolicyMismatch, PolicyUnusable, LimitReached,
        IdempotencyConflict, IdempotencySpent, Overloaded or StoreUnavailable."""
        return self._writer.submit(job)

    def write(self, work: Work[T], *, account: str = "") -> Awaitable[T]:
        """Run another write, all of it or nothing: on the embedded store in the next batch, in the turn of `account`,
        on a shared one in a transaction of its own."""
        if self.store.shared:
            return asyncio.get_running_loop().run_in_executor(self._threads, write, self.store, work)
        return self._writer.submit(WriteJob(work, account))

    async def read(self, work: Work[T]) -> T:
        """Run a read on a connection of its own, beside the writer. Raises StoreUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, read, self.store, work)

    async def read_bounded(self, account: str, work: Work[T]) -> T:
        """Run a read that may take long, such as a list: on threads of its own, few of one account at a time, and
        interrupted after a while. Raises Overloaded, StoreUnavailable."""
        await self._lists.acquire(account)
        running = asyncio.get_running_loop().run_in_executor(
            self._list_threads, read_within, self.store, work, LIST_SECONDS_MAX
        )

        def end(done: asyncio.Future[T]) -> None:
            # The thread goes on though whoever waited for it is gone: only now its turn is over.
            self._lists.release(account)
            if not done.cancelled():
                done.exception()

        running.add_done_callback(end)
        return await asyncio.shield(running)

    async def _look_up(self, work: Work[T]) -> T:
        """Run a read that takes no time, which others must not keep waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._key_threads, read, self.store, work)

    async def healthy(self) -> bool:
        """Whether a check could be recorded now: the database is in place, readable, and takes a write, and those of
        the last checks have not all failed. Whoever asks meanwhile gets the same answer."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._probed())
        return await asyncio.shield(self._probe)

    async def _probed(self) -> bool:
        try:
            async with asyncio.timeout(min(HEALTH_SECONDS, self.deadline)):
                # The write comes first: its batch opens a database that has come back.
                await asyncio.shield(self.write(touch))
                await self._look_up(read_epoch)
        except Exception:
            return False
        # A small write may find room where a check does not. After a while without checks, it is all there is to know.
        writer = self._writer
        return writer.failed_batches < FAILED_BATCHES or time.monotonic() - writer.failed_at > FAILED_SECONDS


async def _end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and see it end."""
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
