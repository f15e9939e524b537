"""Backup and restore of the embedded store.

A backup is one file that needs no log beside it. It is copied page by page from a connection that holds a snapshot, so
that it is the database of one moment however much is written meanwhile. PostgreSQL has tools of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from stage0.ledger.errors import Refused
from stage0.ledger.migrate import newest
from stage0.ledger.sqlite import SqliteStore, sqlite_module
from stage0.ledger.store import Store

#: What is told of the progress: pages copied, and pages in all.
Progress = Callable[[int, int], None]

#: Pages that are copied in one step.
_STEP: Final = 1_000
_TABLES: Final = frozenset({"accounts", "api_keys", "decisions", "events"})


def require_embedded(store: Store) -> SqliteStore:
    """The store, where it is the embedded one. Raises Refused."""
    if isinstance(store, SqliteStore):
        return store
    raise Refused(
        f"`{store.where()}` is PostgreSQL, which has tools of its own: use pg_dump and pg_restore, or pg_basebackup"
    )


def back_up(store: SqliteStore, target: Path, progress: Progress) -> str:
    """Copy a database into an empty file, and verify the copy. Gives its revision. Raises Refused."""
    with _translated(store.path), store.reader.connect() as reading:
        source: Any = reading.connection.dbapi_connection
        source.execute("BEGIN")
        # The snapshot is taken with the first read. Without it the copy would begin anew with every commit.
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        try:
            _copy(source, target, progress)
        finally:
            source.execute("ROLLBACK")
    return verify(target)


def copy_of(backup: Path, target: Path, progress: Progress) -> str:
    """Copy a backup into an empty file, and verify the copy. Gives its revision. Raises Refused."""
    if not backup.is_file():
        raise Refused(f"there is no file `{backup}`")
    # A file that somebody has copied with its log is read with it; any other may lie where nothing can be written.
    how = "mode=ro" if Path(f"{backup}-wal").exists() else "mode=ro&immutable=1"
    with _translated(backup), _opened(backup, how) as source:
        _copy(source, target, progress)
    return verify(target)


def _copy(source: Any, target: Path, progress: Progress) -> None:
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)

    def tell(_: int, left: int, total: int) -> None:
        # A little at a time: one long sync at the end would keep the commits of a server waiting.
        os.fsync(descriptor)
        progress(total - left, total)

    try:
        with _opened(target, "mode=rw") as copy:
            # A copy that is interrupted is thrown away: it needs no syncs beside these.
            copy.execute("PRAGMA synchronous=OFF")
            source.backup(copy, pages=_STEP, progress=tell)
            # One file, without a log: the server turns the log on again when it opens it.
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        os.close(descriptor)


def verify(path: Path) -> str:
    """Read every page of a database file. Gives its revision. Raises Refused where it is broken, no database of Stage0,
    or of a later version than this one."""
    with _translated(path), _opened(path, "mode=ro&immutable=1") as connection:
        wrong = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if wrong != ["ok"]:
            raise Refused(f"`{path}` is damaged: {'; '.join(wrong)}")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not tables >= _TABLES | {"alembic_version"}:
            raise Refused(f"`{path}` is not a database of Stage0")
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        revision: str = found[0] if found else ""
    if not revision or revision > newest():
        raise Refused(
            f"`{path}` is at revision `{revision or 'none'}`, and this version knows none after `{newest()}`: "
            "use the version of Stage0 that made it, or a later one"
        )
    return revision


# -- putting a backup in place


@contextlib.contextmanager
def held(store: SqliteStore) -> Iterator[None]:
    """Keep servers away from a database. Raises Refused where one is running on it."""
    store.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(f"{store.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"a server is running on `{store.path}`: stop it first") from None
        yield
    finally:
        os.close(descriptor)


def put_in_place(store: SqliteStore, whole: Path, kept: Path) -> bool:
    """Give the database's name to another file; the present one, which may be damaged and is not opened, gets a name of
    its own, and its log with it. Gives whether there was one.

    The database goes first: an interruption leaves none at its place, which nobody overlooks, and never a database with
    the log of another, which would damage it."""
    path = store.path
    there_was_one = path.exists()
    if there_was_one:
        path.rename(kept)
    log = Path(f"{path}-wal")
    if log.exists():
        log.rename(f"{kept}-wal")
    Path(f"{path}-shm").unlink(missing_ok=True)
    whole.rename(path)
    return there_was_one


@contextlib.contextmanager
def _opened(path: Path, how: str) -> Iterator[Any]:
    connection = sqlite_module().connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """What SQLite says, as Refused."""
    try:
        yield
    except (sqlite_module().Error, sa.exc.DBAPIError) as error:
        origin = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise Refused(f"`{path}` cannot be copied or read: {origin}") from None
