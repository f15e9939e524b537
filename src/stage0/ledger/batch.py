"""Group commit: one writing thread takes everything that has queued, decides it and commits it at once.

While one transaction commits, the next checks queue; the next transaction takes all of them. No timer is
involved, so an unloaded check costs one commit. Nothing is answered before its record is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import structlog

from stage0.core.decide import decide
from stage0.core.interpret import Interpretation
from stage0.core.pack import Pack
from stage0.core.request import ActionRequest, State
from stage0.ledger import statements
from stage0.ledger.errors import KeyRefused, LedgerError, Overloaded, StoreUnavailable
from stage0.ledger.ids import new_id
from stage0.ledger.keys import Key, get_keys
from stage0.ledger.records import RECORD_VERSION, Record, encode_record
from stage0.ledger.sqlite import SqliteStore
from stage0.wire import answer, encode

log: Final = structlog.get_logger("stage0.ledger")

BATCH_LIMIT: Final = 256


class CheckJob:
    """One check that waits to be decided and recorded. Delivers the answer's id and JSON."""

    __slots__ = ("deadline", "future", "input", "key", "pack", "reading", "request", "sent_request_id")

    def __init__(
        self,
        key: Key,
        request: ActionRequest,
        reading: Interpretation,
        pack: Pack,
        sent_request_id: str = "",
        raw: Any = None,
    ) -> None:
        self.key = key
        self.request = request
        self.reading = reading
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
Settled = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Writer:
    """The writing thread and its queue. `clock` gives Unix seconds; `deadline` is seconds a job may wait."""

    def __init__(
        self,
        store: SqliteStore,
        *,
        clock: Callable[[], float],
        engine_version: str,
        capacity: int,
        deadline: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._engine_version = engine_version
        self._capacity = capacity
        self._patience = deadline
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._keys: dict[str, Key] = {}
        self.epoch = -1
        self.healthy = True
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="stage0-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, job: Job) -> asyncio.Future[Any]:
        """Queue a job from the event loop. Raises Overloaded where the queue is full or closing."""
        if self._closing:
            raise Overloaded("the server is shutting down")
        if self._queue.qsize() >= self._capacity:
            raise Overloaded(f"{self._capacity} checks are waiting already")
        loop = asyncio.get_running_loop()
        job.future = future = loop.create_future()
        job.deadline = time.monotonic() + self._patience
        self._waiting.append((job.deadline, future))
        self._queue.put(job)
        return future

    def expire(self) -> None:
        """Give up on jobs that a stuck disk keeps waiting past their deadline. Runs on the event loop, now and then."""
        now = time.monotonic()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] < now):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(Overloaded("the deadline passed while the check was waiting"))

    def close(self) -> None:
        """Take no more jobs, finish those that are queued, and end the thread."""
        self._closing = True
        self._queue.put(None)
        self._thread.join()

    # -- on the writing thread

    def _run(self) -> None:
        ending = False
        while not ending:
            batch: list[Job] = []
            job = self._queue.get()
            while job is not None:
                batch.append(job)
                if len(batch) >= BATCH_LIMIT:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            ending = job is None
            if batch:
                _deliver(self._settle(batch))

    def _settle(self, batch: list[Job]) -> list[Settled]:
        """The result of every job of a batch, durable before it is handed out."""
        try:
            self._store.check_in_place()
            with self._store.writer.connect() as connection, connection.begin():
                settled = list(self._work(connection, batch))
        except Exception as error:
            self.healthy = False
            # Logs may share the disk that is full: what cannot be logged must not end this thread.
            with contextlib.suppress(Exception):
                log.error("store_unavailable", error=_first_line(error), jobs=len(batch))
            self._store.writer.dispose()
            failure = error if isinstance(error, LedgerError) else StoreUnavailable(_first_line(error))
            return [(_future(job), None, failure) for job in batch]
        self.healthy = True
        return settled

    def _work(self, connection: sa.Connection, batch: list[Job]) -> Iterator[Settled]:
        raw: Any = connection.connection.dbapi_connection
        self._refresh(connection, raw, batch)
        rows: list[tuple[Any, ...]] = []
        settled: list[Settled] = []
        for job in batch:
            try:
                if isinstance(job, CheckJob):
                    row, result = self._decide(job)
                    rows.append(row)
                else:
                    with connection.begin_nested():
                        result = job.work(connection)
                settled.append((_future(job), result, None))
            except sa.exc.OperationalError:
                raise
            except Exception as error:  # this job's own failure; the others of the batch go on
                settled.append((_future(job), None, error))
        if rows:
            raw.executemany(statements.INSERT_DECISION, rows)
        return iter(settled)

    def _refresh(self, connection: sa.Connection, raw: Any, batch: list[Job]) -> None:
        """See changed keys before deciding: a revoked key counts from the very next batch."""
        epoch = raw.execute(statements.READ_EPOCH).fetchone()[0]
        if epoch != self.epoch:
            self._keys = {}
            self.epoch = epoch
        unknown = {job.key.id for job in batch if isinstance(job, CheckJob)} - self._keys.keys()
        if unknown:
            self._keys.update(get_keys(connection, sorted(unknown)))

    def _decide(self, job: CheckJob) -> tuple[tuple[Any, ...], tuple[str, bytes]]:
        if job.deadline < time.monotonic():
            raise Overloaded("the deadline passed while the check was waiting")
        now = self._clock()
        key = self._keys.get(job.key.id)
        status = "revoked" if key is None else key.status_at(now)
        if key is None or status != "active":
            raise KeyRefused(status)
        state = State(key.caller)
        decision = decide(job.request, pack=job.pack, state=state, now=now, reading=job.reading)
        request_id = new_id("req", now)
        whole = encode(answer(decision, request_id, test_mode=key.caller.test_mode))
        omits = key.plan.omits
        body = encode(answer(decision, request_id, test_mode=key.caller.test_mode, omits=omits)) if omits else whole
        record = Record(
            RECORD_VERSION,
            job.request,
            state,
            now,
            job.pack.id,
            job.pack.digest,
            self._engine_version,
            job.pack.knowledge.lexicon.version,
            msgspec.Raw(whole),
            job.sent_request_id,
            job.input,
        )
        run_id = job.reading.context.values.get("run_id")
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


def _future(job: Job) -> asyncio.Future[Any]:
    if job.future is None:
        raise RuntimeError("a job was queued past `submit`")
    return job.future


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _deliver(settled: list[Settled]) -> None:
    """Wake the event loop once for the whole batch."""
    loop = settled[0][0].get_loop()
    # A loop that has closed has nobody left to tell; the records stand.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_resolve, settled)


def _resolve(settled: list[Settled]) -> None:
    for future, result, error in settled:
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
