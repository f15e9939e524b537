"""Work on a store over a connection of its own: what every room above hands in is a function of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa

from stage0.ledger.errors import Conflict, StoreUnavailable
from stage0.ledger.schema import config
from stage0.ledger.statements import READ_EPOCH
from stage0.ledger.store import Store

T = TypeVar("T")
Connection = sa.Connection
#: A read or a write.
Work = Callable[[Connection], T]

#: How often a write is tried where another process was quicker.
_ATTEMPTS: Final = 3


def read(store: Store, work: Work[T]) -> T:
    """Run a read. Raises StoreUnavailable."""
    try:
        with store.reader.connect() as connection, connection.begin():
            return work(connection)
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise StoreUnavailable(str(error).partition("\n")[0]) from error


def read_within(store: Store, work: Work[T], seconds: float) -> T:
    """Run a read that is interrupted after so many seconds. Raises StoreUnavailable."""

    def bounded(connection: Connection) -> T:
        with store.bounded(connection, seconds):
            return work(connection)

    return read(store, bounded)


def write(store: Store, work: Work[T]) -> T:
    """Run a write in a transaction of its own, all of it or nothing. Raises StoreUnavailable, and what the database
    says of a row that it refuses."""
    error: Conflict | None = None
    for _ in range(_ATTEMPTS):
        try:
            with store.translated(), store.writer.begin() as connection:
                return work(connection)
        except Conflict as conflict:
            if isinstance(conflict.__cause__, sa.exc.IntegrityError):
                raise conflict.__cause__ from None  # the work's own: it would clash again
            error = conflict
    raise StoreUnavailable(str(error))


def read_epoch(connection: Connection) -> int:
    """The configuration epoch."""
    found: int = connection.exec_driver_sql(READ_EPOCH).scalar_one()
    return found


def touch(connection: Connection) -> None:
    """A write that changes nothing."""
    connection.execute(config.update().where(config.c.id == 1).values(epoch=config.c.epoch))
