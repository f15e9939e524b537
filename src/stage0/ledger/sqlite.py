"""SQLite, the embedded store: one file, one process, one writer. Durable by WAL with `synchronous=FULL`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from stage0.ledger.errors import Refused, StoreUnavailable
from stage0.ledger.statements import READ_EPOCH, sqlite
from stage0.ledger.store import (
    ConfigRows,
    Found,
    Needs,
    PackRow,
    Pair,
    Rows,
    RunRow,
    StartsRow,
    TokenRow,
    Triple,
    UsageRow,
    run_row,
    tally_row,
)
from stage0.wire import encode

T = TypeVar("T")

#: The first release without the WAL-reset defect.
_FIXED: Final = (3, 51, 3)
_BUSY_MS: Final = 2_000
#: Seconds between looks at the length of the log.
_CHECKPOINT_SECONDS: Final = 0.25
#: Milliseconds for which the checkpointer may wait for readers of an older state, with the writer behind it.
_CHECKPOINT_BUSY_MS: Final = 20
#: Seconds between looks at a database that another process has locked.
_BUSY_PAUSE: Final = 0.005
#: Pages of the log (128 MiB) past which they are copied, and it begins anew at the start of its file. To copy more
#: often would write more: a page that many commits change is copied once.
_LOG_PAGES: Final = 32_768
#: Times that the checkpointer tries to catch up with the writer before it leaves that to its next turn.
_CATCHING_UP: Final = 20
#: Bytes that the log's file keeps. It is longer only after somebody has read an older state for long.
_LOG_KEPT: Final = 256 * 1024 * 1024


def sqlite_module() -> ModuleType:
    """A SQLite that is new enough: pysqlite3's, else the interpreter's own, else Refused."""
    candidates: list[ModuleType] = []
    try:
        import pysqlite3.dbapi2

        candidates.append(pysqlite3.dbapi2)
    except ImportError:
        pass
    candidates.append(sqlite3)
    for module in candidates:
        if module.sqlite_version_info >= _FIXED:
            return module
    found = ", ".join(module.sqlite_version for module in candidates)
    raise Refused(
        f"SQLite {found} has a defect in its write-ahead log that can lose data; 3.51.3 or newer is needed: "
        "install pysqlite3 (`pip install 'stage0[server]'`) or a newer Python"
    )


class SqliteTransaction:
    """One open write transaction (see `store.Transaction`). Statements take microseconds and run where they are; the
    commit, which waits for the disk, has a thread."""

    def __init__(self, store: SqliteStore, connection: sa.Connection, raw: Any) -> None:
        self._store = store
        self._connection = connection
        self._raw = raw
        self._outer: sa.RootTransaction | None = None

    async def read(self, needs: Needs, *, lock: bool) -> Found:
        """Read what is needed. The write lock is held already, so that all of it stays true."""
        with self._store.translated():
            return self._read(needs)

    def _read(self, needs: Needs) -> Found:
        rows = self._rows
        return Found(
            self._raw.execute(READ_EPOCH).fetchone()[0],
            {row[:2]: UsageRow._make(row) for row in rows(sqlite.READ_USAGE, needs.holders)},
            {row[:2]: RunRow._make(row) for row in rows(sqlite.READ_RUNS, needs.runs)},
            {row[:3]: StartsRow._make(row) for row in rows(sqlite.READ_STARTS, needs.starts)},
            {row[:3]: TokenRow._make(row) for row in rows(sqlite.READ_TOKENS, needs.tokens)},
        )

    async def read_config(self, wanted: Sequence[Pair]) -> ConfigRows:
        """Read what decides for keys, with what this transaction has written."""
        accounts = sorted({account for account, _ in wanted})
        with self._store.translated():
            row = self._raw.execute(sqlite.READ_CONFIG, (encode(accounts).decode(), encode(wanted).decode())).fetchone()
        return ConfigRows.parse(*row)

    async def read_packs(self, wanted: Sequence[Triple]) -> Sequence[PackRow]:
        """Read versions of packs, with what this transaction has written."""
        with self._store.translated():
            return [PackRow._make(row) for row in self._rows(sqlite.READ_PACKS, wanted)]

    def _rows(self, statement: str, keys: Sequence[Any]) -> Sequence[Any]:
        if not keys:
            return ()
        found: list[Any] = self._raw.execute(statement, (encode(keys).decode(),)).fetchall()
        return found

    async def save(self, rows: Rows) -> None:
        """Write and commit."""
        with self._store.translated():
            self._write(rows)
            await self._store.commit(self._raw.commit if self._outer is None else self._outer.commit)

    def _write(self, rows: Rows) -> None:
        if rows.outdated:
            self._raw.execute(sqlite.DROP_TOKENS, (encode(rows.outdated).decode(),))
        for statement, values in (
            (sqlite.RAISE_USAGE, [tally_row(tally) for tally in rows.tallies]),
            (sqlite.INSERT_TOKENS, rows.tokens),
            (sqlite.SAVE_RUNS, [run_row(run) for run in rows.runs]),
            (sqlite.SAVE_STARTS, [start[:5] for start in rows.starts]),
        ):
            if values:
                self._raw.executemany(statement, values)
        if rows.decisions:
            values = [value for row in rows.decisions for value in row]
            self._raw.execute(sqlite.insert_decisions(len(rows.decisions)), values)

    async def rollback(self) -> None:
        """Take it back; never raises."""
        with contextlib.suppress(Exception):
            if self._outer is not None:
                self._outer.rollback()
            elif self._raw.in_transaction:
                self._raw.rollback()

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Any other write, behind a savepoint."""
        with self._store.translated():
            if self._outer is None:
                self._outer = self._connection.begin()
            with self._connection.begin_nested():
                return work(self._connection)


class SqliteStore:
    """Engines over one SQLite file: `writer` for commands and `reader` for reads; checks have a connection of their
    own. One batch at a time, in one process."""

    name = "sqlite"
    shared = False
    lanes = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self._module = sqlite_module()
        self.writer = self._engine(read_only=False)
        self.reader = self._engine(read_only=True)
        self.generation = 0
        #: Seconds that a batch waits for another process to finish writing.
        self.busy_seconds = _BUSY_MS / 1000
        self._open: tuple[sa.Connection, Any] | None = None
        self._identity: tuple[int, int] | None = None
        self._lock_file: int | None = None
        self._stop = threading.Event()
        self._checkpointer: threading.Thread | None = None
        self._commits: queue.SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._committer: threading.Thread | None = None

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def where(self) -> str:
        """The file."""
        return str(self.path)

    def _engine(self, *, read_only: bool) -> sa.Engine:
        engine = sa.create_engine(
            "sqlite://",
            module=self._module,
            creator=lambda: self._connect(read_only=read_only),
            poolclass=sa.pool.QueuePool,
            pool_size=4 if read_only else 1,
            max_overflow=4,
            pool_timeout=5,
        )
        begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            raw: Any = connection.connection.dbapi_connection
            if not raw.in_transaction:
                raw.execute(begin)

        return engine

    def _connect(self, *, read_only: bool, create: bool = False) -> Any:
        mode = "rwc" if create else "rw"
        connection = self._module.connect(
            f"file:{_quoted(self.path)}?mode={mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=_BUSY_MS / 1000,
            cached_statements=256,
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_KEPT}")
            connection.execute("PRAGMA cache_size=-16384")
            if read_only:
                connection.execute("PRAGMA query_only=ON")
            _assert_durable(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def create(self) -> None:
        """Make the file where there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Records are confidential; the log and its index take their permissions from this file.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._connect(read_only=False, create=True).close()

    def claim(self) -> None:
        """Hold the file for this process, and start the checkpointer. Raises Refused where another one holds it."""
        if self._lock_file is not None:
            return
        self.check_in_place()
        descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise Refused(
                f"another server is running on `{self.path}`; SQLite serves one process: stop the other"
            ) from None
        self._lock_file = descriptor
        self._checkpointer = threading.Thread(target=self._checkpoint_loop, name="stage0-checkpoint", daemon=True)
        self._checkpointer.start()

    async def begin(self, now: float) -> SqliteTransaction:
        """Begin a write transaction on the connection that is kept for it. Raises StoreUnavailable.

        Where another process writes just now, everybody else must not be kept waiting: it looks again and again."""
        patience = time.monotonic() + self.busy_seconds
        while True:
            with self.translated():
                self.check_in_place()
                connection, raw = self._opened()
                try:
                    raw.execute("BEGIN IMMEDIATE")
                    return SqliteTransaction(self, connection, raw)
                except self._module.OperationalError as error:
                    if not ("locked" in str(error) or "busy" in str(error)):
                        raise
            if time.monotonic() > patience:
                raise StoreUnavailable("the database is locked by another process")
            await asyncio.sleep(_BUSY_PAUSE)

    def _opened(self) -> tuple[sa.Connection, Any]:
        if self._open is None:
            connection = self.writer.connect()
            opened: Any = connection.connection.dbapi_connection
            opened.execute("PRAGMA busy_timeout=0")
            self._open = connection, opened
        return self._open

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """A database that cannot be written becomes StoreUnavailable, and the next batch opens it anew. What it says of
        a row that it refuses is left as it is."""
        try:
            yield
        except (sa.exc.DBAPIError, self._module.Error) as error:
            origin = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            refused = (self._module.IntegrityError, self._module.DataError, self._module.InterfaceError)
            if isinstance(origin, (*refused, self._module.ProgrammingError)):
                raise
            self.reopen()
            raise StoreUnavailable(str(origin).partition("\n")[0]) from error

    async def commit(self, work: Callable[[], None]) -> None:
        """Commit on the thread that waits for the disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._committer is None:
            self._committer = threading.Thread(target=self._commit_loop, name="stage0-writer", daemon=True)
            self._committer.start()
        self._commits.put((work, done))
        await done

    def _commit_loop(self) -> None:
        while (waiting := self._commits.get()) is not None:
            work, done = waiting
            error: Exception | None = None
            try:
                work()
            except Exception as failure:
                error = failure
            # A loop that has closed has nobody left to tell; the records stand.
            with contextlib.suppress(RuntimeError):
                done.get_loop().call_soon_threadsafe(_tell, done, error)

    async def close_lanes(self) -> None:
        """End the committing thread, when everything is committed."""
        if self._committer is not None:
            self._commits.put(None)
            await asyncio.to_thread(self._committer.join)
            self._committer = None

    def reopen(self) -> None:
        """Let go of the write connection; the next transaction opens another."""
        if self._open is not None:
            connection, _ = self._open
            self._open = None
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()
        self.writer.dispose()

    def check_in_place(self) -> None:
        """That the file is still the one that was opened. Raises StoreUnavailable where it has gone or changed.

        A deleted file would go on taking writes that nobody ever finds again."""
        try:
            status = self.path.stat()
        except OSError as error:
            self._forget()
            raise StoreUnavailable(f"the database file is gone: {error}") from error
        identity = (status.st_dev, status.st_ino)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            self._forget()
            raise StoreUnavailable("the database file was replaced")

    def _forget(self) -> None:
        self._identity = None
        self.generation += 1
        self.reopen()
        self.reader.dispose()

    def _checkpoint_loop(self) -> None:
        """Keep the log short beside the writer, never in its way for longer than a moment."""
        connection = None
        opened = -1
        while not self._stop.wait(_CHECKPOINT_SECONDS):
            try:
                inode = self.path.stat().st_ino
                if connection is not None and inode != opened:
                    connection.close()
                    connection = None
                if connection is None:
                    connection, opened = self._connect(read_only=False), inode
                    connection.execute(f"PRAGMA busy_timeout={_CHECKPOINT_BUSY_MS}")
                _checkpoint(connection)
            except (self._module.Error, OSError):
                # Whatever is wrong with the file, the writer finds out and says so.
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Stop the checkpointer and let go of the file."""
        self._stop.set()
        if self._checkpointer is not None:
            self._checkpointer.join()
        self.reopen()
        self.reader.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def _checkpoint(connection: Any) -> None:
    """Where the log is long, copy what it holds into the file and begin it anew.

    The writer waits while it begins anew, and would wait for the whole file to be synced: a checkpoint syncs it only
    where nothing was written meanwhile. So first the log is copied until one of these has come: two in a row that see
    the same log."""
    state = _log(connection, "NOOP")
    if state[0] <= _LOG_PAGES:
        return
    for _ in range(_CATCHING_UP):
        before, state = state, _log(connection, "PASSIVE")
        if state == before:
            logged, copied = state
            if copied < logged:  # somebody reads an older state: the writer would be held up for nothing
                return
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            return


def _log(connection: Any, mode: str) -> tuple[int, int]:
    """The pages of the log, and how many are in the file. PASSIVE first copies those that nobody needs in the log."""
    _, logged, copied = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return logged, copied


def _tell(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _assert_durable(connection: Any) -> None:
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or synchronous != 2:
        raise Refused(
            f"SQLite runs with journal_mode `{mode}` and synchronous `{synchronous}` here; a decision would be "
            "answered before it is durable: use a local disk (WAL needs shared memory)"
        )
