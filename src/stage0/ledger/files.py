"""The files of the embedded database: which ones were opened, whether they are still in place, and who holds them.

A database is its file, its log (`-wal`) and the log's index (`-shm`), found by name. A process that has them open goes
on with what it opened, whatever becomes of the names; whoever opens them next goes by the names. Where the two differ,
records are written that nobody ever finds again, or two logs are written into one file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from stage0.ledger.errors import Refused

#: Device and inode.
Identity = tuple[int, int]

#: Seconds for which a lock is asked for again: commands look for a moment whether somebody holds it.
_PATIENCE: Final = 0.2
_PAUSE: Final = 0.01


def log_of(path: Path) -> Path:
    """The log of a database."""
    return Path(f"{path}-wal")


def index_of(path: Path) -> Path:
    """The index of a database's log, which is shared memory."""
    return Path(f"{path}-shm")


def lock_of(path: Path) -> Path:
    """The file whose lock a server holds."""
    return Path(f"{path}.lock")


def real(path: Path) -> Path:
    """The path without symbolic links, as SQLite resolves it: there lie the log and the lock."""
    # This is a name of no file, which SQLite alone may refuse.
    return path if str(path) == ":memory:" else Path(os.path.realpath(path))


def _identity(path: str | Path) -> Identity | None:
    try:
        status = os.stat(path)  # noqa: PTH116 -- asked twice for each batch: making paths of names would take longer
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_links(path: Path) -> None:
    """Raises Refused where a database has more than one name: each has a log and a lock of its own. A file that is not
    there is somebody else's concern."""
    with contextlib.suppress(OSError):
        links = path.stat().st_nlink
        if links > 1:
            raise Refused(
                f"`{path}` has {links} names (hard links); under another one it would get a second log, and records "
                f"would be lost: remove the others (`find DIRECTORY -samefile {path}` shows them)"
            )


class Opened(NamedTuple):
    """The files that were opened, each by its name, device and inode: the database by the name that led to it, its log,
    and the log's index."""

    database: tuple[str, Identity]
    log: tuple[str, Identity]
    log_index: tuple[str, Identity]

    def change(self) -> str:
        """What has become of them since, in words; empty where they are in place. Costs three calls of `stat`."""
        for path, identity in self:
            found = _identity(path)
            if found == identity:
                continue
            if path == self.database[0]:
                return f"the database file `{path}` {'was replaced' if found else 'is gone'}"
            return f"`{path}` was {'replaced' if found else 'deleted'} beneath the server"
        return ""


def opened(given: Path, path: Path) -> Opened | None:
    """The files as they are now, just after they were opened; None where one of them is gone already."""
    names = str(given), str(log_of(path)), str(index_of(path))
    database, log, log_index = map(_identity, names)
    if database is None or log is None or log_index is None or database != _identity(path):
        return None
    return Opened((names[0], database), (names[1], log), (names[2], log_index))


class Held:
    """A database that this process alone serves: by a lock on a file beside it, and on the database itself, which is
    the same under whatever name it was mounted."""

    def __init__(self, path: Path) -> None:
        """Raises Refused where another process holds it, or it has several names."""
        self.path = path
        refuse_links(path)
        self._beside = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._itself: int | None = None
        try:
            _lock(self._beside, path)
            # Elsewhere such a lock and those of SQLite, which are of another kind, would get in each other's way.
            if sys.platform == "linux":
                self._itself = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                _lock(self._itself, path)
        except BaseException:
            self.release()
            raise

    def is_deleted(self) -> bool:
        """Whether the database has lost its last name. Where that cannot be known it has not."""
        return self._itself is not None and os.fstat(self._itself).st_nlink == 0

    def release(self) -> None:
        """Let go. Only when every connection is closed: to close the file takes SQLite's locks off it, too."""
        for descriptor in (self._itself, self._beside):
            if descriptor is not None:
                os.close(descriptor)
        self._itself = None


def _lock(descriptor: int, path: Path) -> None:
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > patience:
                raise Refused(
                    f"another server is running on `{path}`; SQLite serves one process: stop the other"
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def is_torn(path: Path) -> bool:
    """Whether a server is running on a database of whose files one is missing: whoever opens it by name now would
    begin another log. Looks at the lock only where one is missing."""
    if log_of(path).exists() and index_of(path).exists():
        return False
    try:
        descriptor = os.open(lock_of(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
