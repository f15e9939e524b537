"""SQLite, the embedded store: one file, one process, one writer. Durable by WAL with `synchronous=FULL`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import sqlalchemy as sa

from stage0.ledger.errors import Refused, StoreBusy, StoreUnavailable

#: The first release without the WAL-reset defect.
_FIXED: Final = (3, 51, 3)
_BUSY_MS: Final = 2_000
_CHECKPOINT_SECONDS: Final = 0.25
#: Bytes of WAL past which the checkpointer waits for readers and starts the file anew.
_WAL_LIMIT: Final = 64 * 1024 * 1024


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


class Transaction:
    """One open write transaction. `write` and `read_one` take plain SQL; `connection` is for SQLAlchemy Core."""

    def __init__(self, connection: sa.Connection, raw: Any) -> None:
        self._connection = connection
        self._raw = raw
        self._outer: sa.RootTransaction | None = None

    def connection(self) -> sa.Connection:
        """The same transaction for SQLAlchemy."""
        if self._outer is None:
            self._outer = self._connection.begin()
        return self._connection

    def read_one(self, statement: str) -> Any:
        """The first value of the first row."""
        return self._raw.execute(statement).fetchone()[0]

    def write(self, statement: str, values: list[Any]) -> None:
        """Run one statement."""
        self._raw.execute(statement, values)

    def commit(self) -> None:
        """Make it durable."""
        if self._outer is not None:
            self._outer.commit()
        else:
            self._raw.commit()

    def rollback(self) -> None:
        """Take it back."""
        if self._outer is not None:
            self._outer.rollback()
        else:
            self._raw.rollback()


class SqliteStore:
    """Engines over one SQLite file: `writer` for the one writing thread, `reader` for everybody else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._module = sqlite_module()
        self.writer = self._engine(read_only=False)
        self.reader = self._engine(read_only=True)
        #: Seconds that a batch waits for another process to finish writing.
        self.busy_seconds = _BUSY_MS / 1000
        self._open: tuple[sa.Connection, Any] | None = None
        self._identity: tuple[int, int] | None = None
        self._lock_file: int | None = None
        self._stop = threading.Event()
        self._checkpointer: threading.Thread | None = None

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

    def begin(self) -> Transaction:
        """Begin a write transaction on the connection that is kept for it. Never waits.

        Raises StoreBusy where another process writes just now, StoreUnavailable or a database error otherwise."""
        self.check_in_place()
        if self._open is None:
            connection = self.writer.connect()
            opened: Any = connection.connection.dbapi_connection
            opened.execute("PRAGMA busy_timeout=0")
            self._open = connection, opened
        connection, raw = self._open
        try:
            raw.execute("BEGIN IMMEDIATE")
        except self._module.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StoreBusy(str(error)) from error
            raise
        return Transaction(connection, raw)

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
        self.reopen()
        self.reader.dispose()

    def _checkpoint_loop(self) -> None:
        """Copy the log into the file beside the writer, never in its way."""
        connection = None
        opened: int | None = None
        while not self._stop.wait(_CHECKPOINT_SECONDS):
            try:
                inode = self.path.stat().st_ino
                if connection is not None and inode != opened:
                    connection.close()
                    connection = None
                if connection is None:
                    connection, opened = self._connect(read_only=False), inode
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                if self._wal_size() > _WAL_LIMIT:
                    # Nearly everything has just been copied, so that this holds the writer up for a moment only.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except (self._module.Error, OSError):
                # Whatever is wrong with the file, the writer finds out and says so.
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _wal_size(self) -> int:
        try:
            return Path(f"{self.path}-wal").stat().st_size
        except OSError:
            return 0

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
