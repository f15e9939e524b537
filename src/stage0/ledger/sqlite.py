"""SQLite, the embedded store: one file, one process, one writer. Durable by WAL with `synchronous=FULL`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog

from stage0.ledger import files
from stage0.ledger.errors import Overloaded, Refused, StoreUnavailable
from stage0.ledger.rows import PackRow, RunRow, StartsRow, TokenRow, UsageRow
from stage0.ledger.statements import READ_EPOCH, sqlite
from stage0.ledger.store import ConfigRows, Found, Needs, Pair, Rows, Triple, run_row, usage_row
from stage0.wire import encode

log: Final = structlog.get_logger("stage0.ledger")

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
#: Seconds for which readers are waited for before files that are no longer in place are let go.
_LEAVING_SECONDS: Final = 2.0
#: Instructions of SQLite's machine between looks at the time of a read that is bounded: far less than a millisecond.
_INSTRUCTIONS: Final = 10_000
#: Pages that are copied in one step from a database that was deleted.
_COPY_PAGES: Final = 1_000
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
            (sqlite.RAISE_USAGE, [usage_row(counter) for counter in rows.counters]),
            (sqlite.INSERT_TOKENS, rows.tokens),
            (sqlite.SAVE_RUNS, [run_row(run) for run in rows.runs]),
            (sqlite.SAVE_STARTS, [start[:5] for start in rows.starts]),
        ):
            if values:
                self._raw.executemany(statement, values)
        if rows.decisions:
            flat: list[Any] = [value for row in rows.decisions for value in row]
            self._raw.execute(sqlite.insert_decisions(len(rows.decisions)), flat)

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
    own. One batch at a time, in one process.

    From the first batch on one more connection, the anchor, keeps the files open that were found then. While it is open
    whatever was committed can be copied into the database, even from a log that has been deleted."""

    name = "sqlite"
    shared = False
    lanes = 1

    def __init__(self, path: Path) -> None:
        self.given = path
        self.path = files.real(path)
        self._module = sqlite_module()
        self._connection_class = _counted(self._module)
        self.writer = self._engine(read_only=False)
        self.reader = self._engine(read_only=True)
        self.generation = 0
        #: Seconds that a batch waits for another process to finish writing.
        self.busy_seconds = _BUSY_MS / 1000
        self._open: tuple[sa.Connection, Any] | None = None
        self._claimed = False
        self._held: files.Held | None = None
        self._opened_files: files.Opened | None = None
        self._anchor: Any = None
        #: Whoever uses the anchor, or changes what is open.
        self._guard = threading.RLock()
        #: Connections of this store that are open. While the files are let go no other is opened.
        self._connections = 0
        self._counting = threading.RLock()
        self._leaving = False
        self._copying: list[threading.Thread] = []
        self._stop = threading.Event()
        self._checkpointer: threading.Thread | None = None
        self._commits: queue.SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._committer: threading.Thread | None = None

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def where(self) -> str:
        """The file."""
        return str(self.given)

    def _engine(self, *, read_only: bool) -> sa.Engine:
        engine = sa.create_engine(
            "sqlite://",
            module=self._module,
            creator=lambda: self._connect(read_only=read_only),
            poolclass=sa.pool.QueuePool,
            pool_size=4 if read_only else 1,
            max_overflow=8 if read_only else 4,
            pool_timeout=5,
        )
        begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            raw: Any = connection.connection.dbapi_connection
            if not raw.in_transaction:
                raw.execute(begin)

        @sa.event.listens_for(engine, "checkin")
        def _checkin(_: Any, record: Any) -> None:
            if self._leaving:
                record.invalidate()

        return engine

    def _connect(self, *, read_only: bool, create: bool = False) -> Any:
        """A connection to the files that this store has open, or to those that are there where it has none."""
        files.refuse_links(self.path)
        if self._leaving:
            raise StoreUnavailable("the database is being opened anew")
        if self._opened_files is None:
            if self._claimed:
                raise StoreUnavailable(f"the database file `{self.given}` is not open")
            self._wait_for_server()
        self._refuse_changed()
        connection = self._plain_connection(create=create)
        try:
            if read_only:
                connection.execute("PRAGMA query_only=ON")
            # It has opened its log by name: that must have been the same one.
            self._refuse_changed()
        except BaseException:
            connection.close()
            raise
        return connection

    def _plain_connection(self, *, create: bool = False) -> Any:
        mode = "rwc" if create else "rw"
        connection = self._module.connect(
            f"file:{_quoted(self.path)}?mode={mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=_BUSY_MS / 1000,
            cached_statements=256,
            factory=self._connection_class,
        )
        with self._counting:
            self._connections += 1
        connection.closed = weakref.finalize(connection, self._count_closed)
        connection.closed.atexit = False
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_KEPT}")
            connection.execute("PRAGMA cache_size=-16384")
            _assert_durable(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _count_closed(self) -> None:
        with self._counting:
            self._connections -= 1

    def _refuse_changed(self) -> None:
        opened = self._opened_files
        if opened is not None and (change := opened.change()):
            raise StoreUnavailable(change)

    def _wait_for_server(self) -> None:
        """A server whose log was deleted sees to it within a moment. Until then another log must not be begun."""
        patience = time.monotonic() + _LEAVING_SECONDS
        while files.is_torn(self.path):
            if time.monotonic() > patience:
                raise StoreUnavailable(
                    f"a server is running on `{self.path}`, whose log or its index was deleted: try again when "
                    "it has opened the database anew, or stop it"
                )
            time.sleep(_BUSY_PAUSE)

    def create(self) -> None:
        """Make the file where there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Records are confidential; the log and its index take their permissions from this file.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._connect(read_only=False, create=True).close()

    def claim(self) -> None:
        """Hold the file for this process, and start the checkpointer. Raises Refused where another one holds it, or
        it has several names."""
        if self._claimed:
            return
        self._claimed = True
        try:
            self._open_files()
        except BaseException:
            self._claimed = False
            raise
        self._checkpointer = threading.Thread(target=self._checkpoint_loop, name="stage0-checkpoint", daemon=True)
        self._checkpointer.start()

    async def begin(self, now: float) -> SqliteTransaction:
        """Begin a write transaction on the connection that is kept for it. Raises StoreUnavailable.

        Where another process writes just now, everybody else must not be kept waiting: it looks again and again."""
        patience = time.monotonic() + self.busy_seconds
        while True:
            with self.translated():
                if not self.in_place():
                    await asyncio.to_thread(self._recover)
                files.refuse_links(self.path)
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

    @contextlib.contextmanager
    def bounded(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        """As `store.Store` has it: SQLite asks now and then whether it shall go on."""
        raw: Any = connection.connection.dbapi_connection
        over = time.monotonic() + seconds
        raw.set_progress_handler(lambda: time.monotonic() > over, _INSTRUCTIONS)
        try:
            yield
        except sa.exc.OperationalError as error:
            if "interrupted" in str(error.orig):
                raise Overloaded("the read took too long") from error
            raise
        finally:
            raw.set_progress_handler(None, 0)

    async def commit(self, work: Callable[[], None]) -> None:
        """Commit on the thread that waits for the disk. Raises StoreUnavailable where the log was deleted meanwhile:
        what it holds would not be found again."""
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
                self._refuse_lost()
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

    # -- the files

    def in_place(self) -> bool:
        """Whether the files that were opened are still the ones that others find."""
        opened = self._opened_files
        return opened is not None and not self._leaving and not opened.change()

    def _open_files(self) -> None:
        """Open the files that are there now, and keep them open. Raises StoreUnavailable, Refused."""
        with self._guard:
            self.path = files.real(self.given)
            if not self.path.exists():
                raise StoreUnavailable(f"the database file `{self.given}` is gone")
            files.refuse_links(self.path)
            held = files.Held(self.path) if self._claimed else None
            anchor = None
            try:
                if held is None:
                    self._wait_for_server()
                anchor = self._plain_connection()
                # The first read opens the log.
                anchor.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                found = files.opened(self.given, self.path)
                if found is None:
                    raise StoreUnavailable("the database's files are being changed")
            except BaseException:
                if anchor is not None:
                    anchor.close()
                if held is not None:
                    held.release()
                raise
            self._held, self._anchor, self._opened_files = held, anchor, found

    def _refuse_lost(self) -> None:
        """Just after a commit. Raises StoreUnavailable where its log is not in place any more."""
        opened = self._opened_files
        if opened is not None and (change := opened.change()):
            with self._guard:
                self._save()
            raise StoreUnavailable(change)

    def _recover(self) -> None:
        """Where the files are not in place any more: save what was committed, let them go, and open what is there now.
        Runs between two batches. Raises StoreUnavailable: the batch that found out is told to come again."""
        with self._guard:
            if self._opened_files is None:  # nothing was open
                return self._open_files()
            change = self._opened_files.change()
            if not change and not self._leaving:  # they are back
                return None
            saved = self._save()
            if saved:
                self._let_go()
                log.error("database_files_changed", change=change, answered_checks="are in the database file")
                with contextlib.suppress(StoreUnavailable, Refused, self._module.Error):
                    self._open_files()
            else:
                log.error("database_files_changed", change=change, answered_checks="are still in the deleted log")
        raise StoreUnavailable(change)

    def _save(self) -> bool:
        """Copy everything that was committed from the log, deleted or not, into the database, and sync it. Gives
        whether all of it could be copied."""
        with contextlib.suppress(self._module.Error):
            self._anchor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            # What stays behind is empty: a log that belongs to another database would be read into it.
            busy, *_ = self._anchor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return bool(busy == 0)
        return False

    def _let_go(self) -> None:
        """Close every connection to the files that were opened: a new one would share its index with them. Raises
        StoreUnavailable while somebody still reads; then the next batch tries again."""
        self._leaving = True
        self.generation += 1
        self.reopen()
        self.reader.dispose()
        patience = time.monotonic() + _LEAVING_SECONDS
        while self._connections > 1:  # all but the anchor
            if time.monotonic() > patience:
                raise StoreUnavailable("the database is being opened anew")
            time.sleep(_BUSY_PAUSE)
        anchor, held = self._anchor, self._held
        self._anchor = self._held = self._opened_files = None
        if held is not None and held.is_deleted():
            # Its file has nothing in common with the next one: it need not be waited for.
            anchor.closed.detach()
            self._count_closed()
            copying = threading.Thread(target=_copy_out, args=(anchor, held, self.path), name="stage0-copy")
            copying.start()
            self._copying.append(copying)
        else:
            anchor.close()
            if held is not None:
                held.release()
        self._leaving = False

    def _checkpoint_loop(self) -> None:
        """Keep the log short beside the writer, never in its way for longer than a moment."""
        while not self._stop.wait(_CHECKPOINT_SECONDS):
            # Whatever is wrong with the file, the writer finds out and says so.
            with contextlib.suppress(self._module.Error), self._guard:
                if self._anchor is not None:
                    self._anchor.execute(f"PRAGMA busy_timeout={_CHECKPOINT_BUSY_MS}")
                    _checkpoint(self._anchor)

    def close(self) -> None:
        """Stop the checkpointer and let go of the file."""
        self._stop.set()
        if self._checkpointer is not None:
            self._checkpointer.join()
        with self._guard:
            if self._opened_files is not None and self._opened_files.change():
                self._save()
            self.reopen()
            self.reader.dispose()
            if self._anchor is not None:
                self._anchor.close()
            if self._held is not None:
                self._held.release()
            self._anchor = self._held = self._opened_files = None
            self._claimed = False
        for copying in self._copying:
            copying.join()


def _copy_out(source: Any, held: files.Held, path: Path) -> None:
    """Copy a database that has lost its last name into a file beside its place: nothing else can find it again."""
    target = path.with_name(f"{path.name}.deleted-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    partial = Path(f"{target}.partial")
    try:
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        copy = sqlite_module().connect(str(partial), isolation_level=None)
        try:
            source.backup(copy, pages=_COPY_PAGES)
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            copy.close()
        partial.rename(target)
        log.error("deleted_database_saved", file=str(target))
    except (sqlite_module().Error, OSError) as error:
        log.error("deleted_database_lost", error=str(error))
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    finally:
        source.close()
        held.release()


def _counted(module: ModuleType) -> type:
    """A connection that says when it is closed: `closed` is called then, or when it is forgotten."""

    class Counted(module.Connection):  # type: ignore[misc, name-defined]
        closed: Callable[[], object]

        def close(self) -> None:
            super().close()
            self.closed()

    return Counted


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
