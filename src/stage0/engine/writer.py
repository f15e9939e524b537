"""Group commit: everything that has queued is admitted, decided and committed at once.

While one transaction commits, the next checks queue; the next transaction takes all of them. No timer is
involved, so an unloaded check costs one commit. Nothing is answered before its record is durable.

In the order of this file: take what waits, read what the decisions rest on, decide (`batch.py`), write and commit,
answer. Deciding happens on the event loop: two threads that both run Python would only take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar, cast

import structlog

from stage0.core.fingerprint import short
from stage0.core.masking import Fingerprint
from stage0.core.pack import Pack
from stage0.engine.batch import Batch, Known, Result
from stage0.engine.choice import candidates, choose_pack, pin_pack
from stage0.engine.job import CheckJob, Job, prepare_with
from stage0.engine.queue import FairQueue, Turns
from stage0.engine.worker import Worker, time_work
from stage0.ledger.access import read
from stage0.ledger.catalogue import Catalogue
from stage0.ledger.errors import (
    Conflict,
    LedgerError,
    LimitReached,
    Overloaded,
    PolicyUnusable,
    StoreUnavailable,
)
from stage0.ledger.keys import Key, key_of
from stage0.ledger.packs import Active, Loaded, Made, PackCache, actives_of, make_packs, split_id
from stage0.ledger.stops import Stopped, stopped_of
from stage0.ledger.store import Needs, Pair, Store, Transaction, Triple
from stage0.ledger.usage import UsageCounter
from stage0.policy.entries import at_once

T = TypeVar("T")
log: Final = structlog.get_logger("stage0.ledger")

#: Checks of one batch. More would share a commit no better, and a newcomer waits for the batch that is under way.
BATCH_LIMIT: Final = 32
#: How often a batch is tried again where another process was quicker.
_ATTEMPTS: Final = 8


#: A database and its configuration epoch: a file that took the place of another one begins a new generation.
Version = tuple[int, int]


class View(NamedTuple):
    """What decides, as of a version: keys by id, the packs that are active for each, and all that is stopped in their
    accounts."""

    version: Version
    keys: Mapping[str, Key]
    actives: Mapping[str, Active]
    stopped: Mapping[str, Stopped]

    def beside(self, other: View) -> View:
        """This view with what another one of the same version holds."""
        return View(
            self.version,
            {**other.keys, **self.keys},
            {**other.actives, **self.actives},
            {**other.stopped, **self.stopped},
        )


class Writer:
    """Decides and records. `clock` gives Unix seconds, and so does `steady`, by which usage is counted; `deadline` is
    seconds a job may wait.

    `exhausted` tells which keys have nothing left of a window: it is kept here, so that they are refused before
    anything of their request is read."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        catalogue: Catalogue,
        pack_cache: PackCache,
        turns: Turns,
        worker: Worker,
        fingerprint: Fingerprint,
        engine_version: str,
        capacity: int,
        deadline: float,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._turns = turns
        self._worker = worker
        self._clock = clock
        self._steady = steady
        self._fingerprint = fingerprint
        self._engine_version = engine_version
        self._capacity = capacity
        self._patience = deadline
        self._queue: FairQueue[Job] = FairQueue(capacity, turns)
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._view = View((-1, -1), {}, {}, {})
        self.pack_cache = pack_cache
        self.exhausted: dict[str, tuple[float, LimitReached]] = {}
        #: Holders that have reached a threshold of which no event tells yet: by account and holder.
        self.to_warn: dict[tuple[str, str], UsageCounter] = {}
        #: Batches of checks in a row that could not be recorded, and when the last one was, by the monotonic clock.
        self.failed_batches = 0
        self.failed_at = float("-inf")
        self._closing = False
        self._idle: deque[asyncio.Future[None]] = deque()
        self._lanes: list[asyncio.Task[None]] = []
        self._readying: set[asyncio.Task[None]] = set()
        self._waking = False
        self._told = float("-inf")
        #: A thread of its own: what others wait for must not keep a batch waiting.
        self._reading = ThreadPoolExecutor(1, "stage0-packs")
        self._deciding = ThreadPoolExecutor(1, "stage0-large")

    def start(self) -> None:
        """Start taking jobs, on the running event loop."""
        self._lanes = [asyncio.create_task(self._lane()) for _ in range(self._store.lanes)]

    def submit(self, job: Job) -> asyncio.Future[Any]:
        """Queue a job. Raises Overloaded where the queue is full or closing."""
        if self._closing or not self._lanes:
            raise Overloaded("the server is not taking checks now")
        job.future = future = asyncio.get_running_loop().create_future()
        job.deadline = time.monotonic() + self._patience
        displaced = self._queue.put(job)
        if displaced is job:
            raise Overloaded(f"{self._capacity} checks are waiting already")
        if displaced is not None:
            _settle(displaced, None, Overloaded("others, who have fewer checks waiting, came first"))
        self._waiting.append((job.deadline, future))
        if not self._waking:
            self._wake()
        return future

    def _wake(self) -> None:
        """Wake one lane. It begins after the requests that have already arrived have been read: they share its
        transaction."""
        if self._idle:
            self._waking = True
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)

    def expire(self) -> None:
        """Give up on jobs that a stuck disk keeps waiting past their deadline. Called now and then."""
        now = time.monotonic()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] < now):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(Overloaded("the deadline passed while the check was being recorded"))

    async def close(self) -> None:
        """Take no more jobs, finish those that are queued, and let go of the connections."""
        self._closing = True
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
        await asyncio.gather(*self._lanes, *self._readying)
        await self._store.close_lanes()
        self._reading.shutdown(wait=False)
        self._deciding.shutdown(wait=False)

    # -- one batch after the other

    async def _lane(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not len(self._queue):
                if self._closing:
                    return
                woken = loop.create_future()
                self._idle.append(woken)
                await woken
                continue
            try:
                transaction = await self._store.begin(self._clock())
            except Exception as error:
                self._waking = False
                self._fail(self._queue.drain(), error)
                continue
            batch = _in_time(self._queue.take(BATCH_LIMIT))
            self._waking = False
            if len(self._queue):
                self._wake()
            if not batch:
                await transaction.rollback()
                continue
            try:
                await self._record(transaction, batch)
            except Exception as error:  # a defect must cost a batch its answers, and not the server its lane
                self._fail(batch, error)
            # The answers are sent now, and not after the next batch has been decided.
            await asyncio.sleep(0)

    async def _record(self, transaction: Transaction, batch: list[Job]) -> None:
        """Record a batch and answer it. Where another process was quicker it is tried again, with what both use
        locked; where the database refuses a row, each half is tried by itself, so that the others are answered."""
        error: Exception = StoreUnavailable("no attempt was made")
        for attempt in range(_ATTEMPTS):
            if attempt:
                try:
                    transaction = await self._store.begin(self._clock())
                except Exception as failure:
                    error = failure
                    break
            try:
                results = await self._attempt(transaction, batch, lock=attempt > 0)
            except Conflict as conflict:
                await transaction.rollback()
                error = conflict
                continue
            except Exception as failure:
                await transaction.rollback()
                error = failure
                break
            if _has_checks(batch):
                self.failed_batches = 0
            for job, result, refusal in results:
                _settle(job, result, refusal)
            return
        if isinstance(error, StoreUnavailable) or len(batch) == 1:
            self._fail(batch, error)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            try:
                transaction = await self._store.begin(self._clock())
            except Exception as failure:
                self._fail(half, failure)
            else:
                await self._record(transaction, half)

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        self._tell(error)
        if isinstance(error, StoreUnavailable) and _has_checks(jobs):
            self.failed_batches += 1
            self.failed_at = time.monotonic()
        if isinstance(error, Conflict) or (len(jobs) > 1 and not isinstance(error, LedgerError)):
            error = StoreUnavailable(str(error).partition("\n")[0])
        for job in jobs:
            _settle(job, None, error)

    def _tell(self, error: Exception) -> None:
        """Log it, once a second at most: while the database is away every batch fails in the same way."""
        now = time.monotonic()
        if now - self._told < 1:
            return
        self._told = now
        # Logs may share the disk that is full: what cannot be logged must not end the writer.
        with contextlib.suppress(Exception):
            if isinstance(error, LedgerError):
                log.error("store_unavailable", error=str(error).partition("\n")[0])
            else:  # what a database says of a row may quote it
                log.error("record_refused", kind=type(error).__name__, sqlstate=getattr(error, "sqlstate", None))

    async def _attempt(self, transaction: Transaction, batch: list[Job], *, lock: bool) -> list[Result]:
        """Decide every check of a batch and write every row of it. A job's own failure is its own.

        Other writes come first, so that the checks are decided on what they have changed. Whatever decides is read in
        this transaction, with its own writes in it, and kept for later batches only when it is committed."""
        results, ready = self._begin(transaction, batch)
        writes = len(ready) < len(batch)
        before, generation = self._view, self._store.generation
        view = before
        needs = _needs(ready, view)
        found = await transaction.read(needs, lock=lock)
        current = (generation, found.epoch) == view.version
        if ready and not (current and all([job.asked.key.id in view.keys for job in ready])):
            view = await self._look(transaction, generation, ready)
        packs, made, later = await self._packs(transaction, ready, view, writes=writes)
        if later:
            # They take their turn again: another attempt at this batch must not decide them as well.
            batch[:] = [job for job in batch if job not in later]
            ready = [job for job in ready if job not in later]
            self._put_off(later, view)
        # Never all of them: each has to be read.
        reread = [self._prepare(job, view, packs) for job in ready]
        if (view is not before or any(reread)) and _needs(ready, view) != needs:
            found = await transaction.read(_needs(ready, view), lock=lock)
        known = Known(
            keys=view.keys,
            stopped=view.stopped,
            actives=view.actives,
            packs=packs,
            clock=self._clock,
            steady=self._steady,
            fingerprint=self._fingerprint,
            engine_version=self._engine_version,
        )
        work = Batch(known, found)
        for check in ready:
            decide = partial(work.check, check)
            try:
                done = await self._beside(check, decide) if check.asked.large else self._charged(check, decide)
                results.append((check, done, None))
            except Exception as error:
                results.append((check, None, error))
        await transaction.save(work.rows())
        self._publish(view, made)
        if view.version == self._view.version:
            self._remember(work, results)
        return results

    def _begin(self, transaction: Transaction, batch: list[Job]) -> tuple[list[Result], list[CheckJob]]:
        """Run the other writes of a batch, and read its checks as far as is known by now how."""
        results: list[Result] = []
        ready: list[CheckJob] = []
        for job in batch:
            try:
                if isinstance(job, CheckJob):
                    if job.preparation is None:
                        self._charged(job, partial(job.prepare, self.pack_of(job.asked.key), self._fingerprint))
                    ready.append(job)
                else:
                    results.append((job, transaction.run(job.work), None))
            except StoreUnavailable:
                raise
            except Exception as error:
                results.append((job, None, error))
        return results, ready

    def _charged(self, job: CheckJob, work: Callable[[], T]) -> T:
        """Do work for a check, and hold the time against its account."""
        began = time.perf_counter()
        try:
            return work()
        finally:
            self._turns.charge(job.account, time.perf_counter() - began)

    async def _beside(self, job: CheckJob, work: Callable[[], T]) -> T:
        """The same beside the event loop."""
        done, error, seconds = await asyncio.get_running_loop().run_in_executor(self._deciding, time_work, work)
        self._turns.charge(job.account, seconds)
        if error is not None:
            raise error
        return cast("T", done)

    # -- what is not ready yet

    def _prepare(self, job: CheckJob, view: View, packs: Loaded) -> bool:
        """Read a check under the pack that decides it, where that is known and it is not read so yet: true for one that
        now is. What goes wrong is found again when it is decided."""
        key = view.keys.get(job.asked.key.id)
        if key is None:
            return False
        try:
            pack_id = pin_pack(job.asked.body.request.policy_pack_version, key, view.actives[key.id])
            pack = packs.get(key.account, pack_id)
            if pack is None or job.is_prepared(pack) or (job.asked.beside and not job.is_read(pack)):
                return False
            self._charged(job, partial(job.prepare, pack, self._fingerprint))
        except Exception:
            return False
        return True

    def _put_off(self, jobs: Sequence[CheckJob], view: View) -> None:
        """Make checks ready beside the event loop and outside of any transaction: load their packs, read them with
        their words. Then they take their turn again."""
        for job in jobs:
            job.put_off = True
            task = asyncio.create_task(self._make_ready(job, view))
            self._readying.add(task)
            task.add_done_callback(self._readying.discard)

    async def _make_ready(self, job: CheckJob, view: View) -> None:
        error: BaseException | None = None
        try:
            await self._read_under(job, view)
            if not self._closing:
                displaced = self._queue.put(job)
                if displaced is not None:
                    _settle(displaced, None, Overloaded("others, who have fewer checks waiting, came first"))
                if not self._waking:
                    self._wake()
                return
        except Exception as failure:
            error = failure
        if error is None or not isinstance(error, LedgerError):
            error = Overloaded("the check could not be made ready")
        _settle(job, None, error)

    async def _read_under(self, job: CheckJob, view: View) -> None:
        """Load the packs that a check may need, and read it with the words of each where it may not be read later."""
        asked = job.asked
        key = view.keys[asked.key.id]
        ids = candidates(asked.body.request.policy_pack_version, key, view.actives[key.id])
        wanted = [(key.account, each) for each in ids if all(each.partition("@"))]

        def load() -> None:
            read(self._store, lambda connection: self.pack_cache.load(connection, wanted))

        _, error, seconds = await asyncio.get_running_loop().run_in_executor(self._reading, time_work, load)
        packs = self.pack_cache.loaded(wanted)
        for pack_id in ids if asked.beside and error is None else ():
            pack = _usable(packs, key.account, pack_id)
            if pack is not None and not job.is_read(pack):
                tools = pack.knowledge.registry.entries
                given = asked.body, key.account, tools, self._fingerprint
                preparation, error, taken = await self._worker.run(prepare_with, *given)
                seconds += taken
                if preparation is None:
                    break
                job.keep(pack, preparation)
        self._turns.charge(job.account, seconds)
        if error is not None:
            raise error

    async def _look(self, transaction: Transaction, generation: int, jobs: list[CheckJob]) -> View:
        """What decides for these checks now: a revoked key counts from the very next batch.

        It is this batch's own until its transaction has committed: it may rest on what the transaction has written."""
        if generation != self._view.version[0]:
            self.pack_cache.forget()
        kept = self._view
        known = {job.asked.key.id: job.asked.key.account for job in jobs}
        rows = await transaction.read_config(sorted((account, key) for key, account in known.items()))
        keys = {row.id: key_of(row, self._catalogue.plans) for row in rows.keys}
        actives = actives_of(rows.actives)
        view = View(
            (generation, rows.epoch),
            keys,
            {key.id: choose_pack(key, actives, self._catalogue) for key in keys.values()},
            stopped_of(rows.stops),
        )
        return view.beside(kept) if view.version == kept.version else view

    def _publish(self, view: View, made: Mapping[Pair, Made]) -> None:
        """Keep for later batches what a committed one has read. Another lane may have kept something of another state
        meanwhile: whoever comes next finds that it is not the one that it reads, and looks again."""
        if made:
            self.pack_cache.keep(made)
        if view.version != self._view.version:
            self.exhausted.clear()
            self._view = view
        elif view is not self._view:
            self._view = view.beside(self._view)

    def pack_of(self, key: Key) -> Pack:
        """The pack that decided for a key when it was last seen; the default one where that is not loaded."""
        active = self._view.actives.get(key.id) or choose_pack(key, {}, self._catalogue)
        try:
            found = self.pack_cache.get(key.account, active.pack)
        except PolicyUnusable:
            found = None
        return found or self.pack_cache.default

    async def _packs(
        self, transaction: Transaction, jobs: list[CheckJob], view: View, *, writes: bool
    ) -> tuple[Loaded, Mapping[Pair, Made], list[CheckJob]]:
        """The packs that these checks need; those of them that nobody has kept yet; and the checks that are put off.

        A check whose pack is not loaded, or that is not read with the words of one yet, is made ready outside of the
        transaction; but what the transaction itself may have written is read in it."""
        wanted: dict[CheckJob, list[Pair]] = {}
        for job in jobs:
            key = view.keys.get(job.asked.key.id)
            if key is not None:
                ids = candidates(job.asked.body.request.policy_pack_version, key, view.actives[key.id])
                # Whoever pins a version may have named none.
                wanted[job] = [(key.account, each) for each in ids if all(each.partition("@"))]
        packs = self.pack_cache.loaded({each for pairs in wanted.values() for each in pairs})
        later: list[CheckJob] = []
        missing: set[Pair] = set()
        for job, pairs in wanted.items():
            lacking = [each for each in pairs if each not in packs.own and each[1] not in packs.shipped]
            if not job.put_off and ((lacking and not writes) or _is_unread(job, pairs, packs)):
                later.append(job)
            else:
                missing.update(lacking)
        if not missing:
            return packs, {}, later
        rows = await transaction.read_packs([(account, *split_id(pack_id)) for account, pack_id in sorted(missing)])
        made = await asyncio.get_running_loop().run_in_executor(
            self._reading, partial(make_packs, rows, between=at_once)
        )
        return packs._replace(own={**packs.own, **made}), made, later

    @property
    def version(self) -> Version:
        """The version of keys and stops that the last batch saw."""
        return self._view.version

    def _remember(self, work: Batch, results: list[Result]) -> None:
        """What a committed batch has shown: who has nothing left, who has something again, and who has to be warned."""
        if self.exhausted:
            for job, _, refusal in results:
                if refusal is None and isinstance(job, CheckJob):
                    self.exhausted.pop(job.asked.key.id, None)
        self.exhausted.update(work.exhausted)
        for counter in work.counters.values():
            if counter.added and counter.to_warn():
                self.to_warn[counter.account, counter.holder] = counter


def _has_checks(jobs: list[Job]) -> bool:
    return any([isinstance(job, CheckJob) for job in jobs])


def _in_time(jobs: list[Job]) -> list[Job]:
    """The jobs that somebody still waits for."""
    now = time.monotonic()
    kept = []
    for job in jobs:
        if job.deadline < now:
            _settle(job, None, Overloaded("the deadline passed while the check was waiting"))
        elif job.future is not None and not job.future.done():
            kept.append(job)
    return kept


def _settle(job: Job, result: Any, error: BaseException | None) -> None:
    future = job.future
    if future is None or future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _usable(packs: Loaded, account: str, pack_id: str) -> Pack | None:
    try:
        return packs.get(account, pack_id)
    except PolicyUnusable:
        return None


def _is_unread(job: CheckJob, pairs: Sequence[Pair], packs: Loaded) -> bool:
    """Whether a check that is only read beside the event loop is not read with the words of one of these packs."""
    if not job.asked.beside:
        return False
    found = [_usable(packs, account, pack_id) for account, pack_id in pairs]
    return any([pack is not None and not job.is_read(pack) for pack in found])


def _needs(jobs: list[CheckJob], view: View) -> Needs:
    """What to read for these checks, each in the order in which rows are locked."""
    holders, runs, starts = set(), set(), set()
    tokens: dict[Triple, str] = {}
    for job in jobs:
        key = view.keys.get(job.asked.key.id, job.asked.key)
        for holder, _ in key.holders:
            holders.add((key.account, holder))
        if job.run:
            runs.add((key.account, job.run))
            starts.add((key.account, key.id, short(job.action)))
        if job.asked.token is not None:
            at = key.account, key.id, job.asked.token.token
            tokens[at] = " ".join((tokens.get(at, ""), *job.asked.token.bodies))
    return Needs(sorted(holders), sorted(runs), sorted(starts), sorted((*at, bodies) for at, bodies in tokens.items()))
