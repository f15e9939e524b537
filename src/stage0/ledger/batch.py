"""Group commit: everything that has queued is decided and committed at once.

While one transaction commits, the next checks queue; the next transaction takes all of them. No timer is
involved, so an unloaded check costs one commit. Nothing is answered before its record is durable.

A batch begins, decides and writes its rows on the event loop, where the requests are: that takes microseconds, and
two threads that both run Python would only take turns. The commit, which waits for the disk, has the writing thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import structlog

from stage0.core.decide import Prepared, decide
from stage0.core.masking import Fingerprint, mask, mask_text
from stage0.core.pack import Pack
from stage0.core.request import State
from stage0.ledger import statements
from stage0.ledger.errors import KeyRefused, LedgerError, Overloaded, PlanRefused, StoreBusy, StoreUnavailable
from stage0.ledger.ids import new_id
from stage0.ledger.keys import Key, get_keys
from stage0.ledger.records import RECORD_VERSION, Record, encode_record
from stage0.ledger.sqlite import SqliteStore, Transaction
from stage0.wire import answer, encode

log: Final = structlog.get_logger("stage0.ledger")

BATCH_LIMIT: Final = 256
#: Seconds between looks at a database that another process has locked.
_BUSY_PAUSE: Final = 0.005


class CheckJob:
    """One check that waits to be decided and recorded. Delivers the answer's id and JSON."""

    __slots__ = ("deadline", "future", "input", "key", "pack", "prepared", "sent_request_id")

    def __init__(
        self,
        key: Key,
        prepared: Prepared,
        pack: Pack,
        sent_request_id: str = "",
        raw: Any = None,
    ) -> None:
        self.key = key
        self.prepared = prepared
        self.pack = pack
        self.sent_request_id = sent_request_id
        self.input = raw
        self.future: asyncio.Future[tuple[str, bytes]] | None = None
        self.deadline = 0.0


class WriteJob:
    """Any other write: a function of the connection, run inside the batch's transaction behind a savepoint."""

    __slots__ = ("deadline", "future", "work")

    def __init__(self, work: Callable[[sa.Connection], Any]) -> None:
        self.work = work
        self.future: asyncio.Future[Any] | None = None
        self.deadline = 0.0


Job = CheckJob | WriteJob
Result = tuple[Job, Any, BaseException | None]


class Writer:
    """The one writer. `clock` gives Unix seconds; `deadline` is seconds a job may wait."""

    def __init__(
        self,
        store: SqliteStore,
        *,
        clock: Callable[[], float],
        fingerprint: Fingerprint,
        engine_version: str,
        capacity: int,
        deadline: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._fingerprint = fingerprint
        self._engine_version = engine_version
        self._capacity = capacity
        self._patience = deadline
        self._queue: deque[Job] = deque()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._keys: dict[str, Key] = {}
        self.epoch = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False
        self._closing = False
        self._idle = asyncio.Event()
        self._commits: queue.SimpleQueue[tuple[Transaction, list[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._commit_loop, name="stage0-writer", daemon=True)

    def start(self) -> None:
        """Start the writing thread, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, job: Job) -> asyncio.Future[Any]:
        """Queue a job. Raises Overloaded where the queue is full or closing."""
        loop = self._loop
        if self._closing or loop is None:
            raise Overloaded("the server is not taking checks now")
        if len(self._queue) >= self._capacity:
            raise Overloaded(f"{self._capacity} checks are waiting already")
        job.future = future = loop.create_future()
        job.deadline = time.monotonic() + self._patience
        self._waiting.append((job.deadline, future))
        self._queue.append(job)
        if not self._busy:
            # After the requests that have already arrived have been read: they share the transaction.
            self._busy = True
            loop.call_soon(self._lead)
        return future

    def expire(self) -> None:
        """Give up on jobs that a stuck disk keeps waiting past their deadline. Called now and then."""
        now = time.monotonic()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] < now):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(Overloaded("the deadline passed while the check was being recorded"))

    async def close(self) -> None:
        """Take no more jobs, finish those that are queued, and end the thread."""
        self._closing = True
        while self._busy:
            self._idle.clear()
            await self._idle.wait()
        if self._thread.is_alive():
            self._commits.put(None)
            await asyncio.to_thread(self._thread.join)

    def _lead(self, patience: float | None = None) -> None:
        """Take what has queued, decide it and write it; the commit goes to the writing thread."""
        if not self._queue:
            self._busy = False
            self._idle.set()
            return
        started = time.monotonic()
        patience = self._store.busy_seconds if patience is None else patience
        try:
            transaction = self._store.begin()
        except StoreBusy:
            # Another process writes just now. Waiting here would keep everybody waiting: look again soon.
            if patience > 0 and self._loop is not None:
                spent = time.monotonic() - started + _BUSY_PAUSE
                self._loop.call_later(_BUSY_PAUSE, self._lead, patience - spent)
                return
            self._settle(self._take(), StoreUnavailable("the database is locked by another process"))
            return
        except Exception as error:
            self._settle(self._take(), self._failure(error))
            return
        batch = self._take()
        try:
            results = self._work(transaction, batch)
        except Exception as error:
            with contextlib.suppress(Exception):
                transaction.rollback()
            self._settle(batch, self._failure(error))
            return
        self._commits.put((transaction, results))

    def _take(self) -> list[Job]:
        return [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LIMIT))]

    def _failure(self, error: Exception) -> LedgerError:
        """What a failed batch means to its callers. The next one opens the store anew."""
        # Logs may share the disk that is full: what cannot be logged must not end the writer.
        with contextlib.suppress(Exception):
            log.error("store_unavailable", error=_first_line(error))
        self._store.reopen()
        return error if isinstance(error, LedgerError) else StoreUnavailable(_first_line(error))

    def _settle(self, batch: list[Job], error: BaseException) -> None:
        self._finish([(job, None, error) for job in batch])

    def _finish(self, results: list[Result]) -> None:
        """Answer a batch, then go on with what has queued meanwhile."""
        for job, result, error in results:
            future = job.future
            if future is None or future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if self._loop is not None:
            self._loop.call_soon(self._lead)

    def _work(self, transaction: Transaction, batch: list[Job]) -> list[Result]:
        """Decide every check and write every row of a batch. A job's own failure is its own."""
        self._refresh(transaction, batch)
        rows: list[tuple[Any, ...]] = []
        results: list[Result] = []
        for job in batch:
            try:
                if isinstance(job, CheckJob):
                    row, result = self._decide(job)
                    rows.append(row)
                else:
                    with transaction.connection().begin_nested():
                        result = job.work(transaction.connection())
            except sa.exc.OperationalError:
                raise
            except Exception as error:
                results.append((job, None, error))
            else:
                results.append((job, result, None))
        if rows:
            transaction.write(statements.insert_decisions(len(rows)), [value for row in rows for value in row])
        return results

    def _refresh(self, transaction: Transaction, batch: list[Job]) -> None:
        """See changed keys before deciding: a revoked key counts from the very next batch."""
        epoch = transaction.read_one(statements.READ_EPOCH)
        if epoch != self.epoch:
            self._keys = {}
            self.epoch = epoch
        unknown = {job.key.id for job in batch if isinstance(job, CheckJob)} - self._keys.keys()
        if unknown:
            self._keys.update(get_keys(transaction.connection(), sorted(unknown)))

    # -- on the writing thread

    def _commit_loop(self) -> None:
        while (work := self._commits.get()) is not None:
            transaction, results = work
            try:
                transaction.commit()
            except Exception as error:
                self._tell(self._undone, [job for job, _, _ in results], error)
            else:
                self._tell(self._finish, results)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        """Wake the event loop once for the whole batch."""
        # A loop that has closed has nobody left to tell; the records stand.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what, *arguments)

    def _undone(self, batch: list[Job], error: Exception) -> None:
        self._settle(batch, self._failure(error))

    # -- one check

    def _decide(self, job: CheckJob) -> tuple[tuple[Any, ...], tuple[str, bytes]]:
        if job.deadline < time.monotonic():
            raise Overloaded("the deadline passed while the check was waiting")
        now = self._clock()
        key = self._keys.get(job.key.id)
        status = "revoked" if key is None else key.status_at(now)
        if key is None or status != "active":
            raise KeyRefused(status)
        if job.prepared.request.pro and not key.plan.pro:
            raise PlanRefused(key.plan_name)
        state = State(key.caller)
        prepared = job.prepared
        decision = decide(prepared.request, pack=job.pack, state=state, now=now, reading=prepared.reading)
        request_id = new_id("req", now)
        whole = encode(answer(decision, request_id, test_mode=key.caller.test_mode))
        omits = key.plan.omits
        body = encode(answer(decision, request_id, test_mode=key.caller.test_mode, omits=omits)) if omits else whole
        if not prepared.exact:
            # It was decided as it was sent: its findings may quote a secret, which the record must not.
            whole = encode(mask(msgspec.json.decode(whole), self._fingerprint))
        record = Record(
            RECORD_VERSION,
            prepared.stored,
            state,
            now,
            job.pack.id,
            job.pack.digest,
            self._engine_version,
            job.pack.knowledge.version,
            msgspec.Raw(whole),
            mask_text(job.sent_request_id, self._fingerprint),
            job.input,
            prepared.exact,
        )
        run_id = prepared.reading.context.values.get("run_id")
        if not prepared.exact and run_id is not None:
            run_id = mask_text(run_id, self._fingerprint)
        row = (
            key.account,
            request_id,
            int(now * 1e6),
            key.id,
            run_id,
            decision.verdict,
            decision.risk_score,
            f" {' '.join(issue.code for issue in decision.issues)} ",
            job.pack.id,
            decision.task_hash,
            encode_record(record),
        )
        return row, (request_id, body)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
