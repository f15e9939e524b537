"""Retention: records, and what was kept beside them, are deleted when their time is over. Events are kept.

A pass looks on a reading connection for what is over, and then deletes at most `LIMIT` rows, of one table and one
account, by their keys: its write transaction is short, so that checks are not kept waiting. On PostgreSQL a month of
records that no account keeps any more is dropped whole, and the next month's partition is made ahead of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
import structlog

from stage0.ledger.idempotency import LIFETIME
from stage0.ledger.ids import first_id
from stage0.ledger.postgres import partition_name
from stage0.ledger.runs import START_WINDOW
from stage0.ledger.schema import accounts, decisions, idempotency, outcomes, run_starts, runs
from stage0.ledger.usage import ends

log: Final = structlog.get_logger("stage0.ledger")

#: The most rows that one pass deletes.
LIMIT: Final = 200
_DAY: Final = 86_400
#: An advisory lock of this product, beside those in `postgres`: one process at a time keeps house.
_LOCK: Final = 0x5374_6167_6530_0003
#: For how long dropping a partition may wait for the table, with the checks that come meanwhile behind it.
_PATIENCE: Final = "50ms"
_PARTITION: Final = re.compile(r"decisions_(\d{4})_(\d\d)")


class Cutoff(NamedTuple):
    """What is over at a moment: ids below `id`, and times in Unix microseconds: records and runs below `at`, counts of
    begun runs up to `starts`, answers that are given again up to `tokens`."""

    id: str
    at: int
    starts: int
    tokens: int


def cutoff(now: float, days: int) -> Cutoff:
    """What is over for accounts that keep records for so many days; `now` is Unix seconds."""
    kept_since = max(0.0, now - days * _DAY)
    moment = int(now * 1e6)
    return Cutoff(first_id("req", kept_since), int(kept_since * 1e6), moment - START_WINDOW, moment - LIFETIME)


class _Kept(NamedTuple):
    """A table, which of its rows are over, and the columns of the index by which they are found."""

    table: sa.Table
    over: Callable[[Cutoff], sa.ColumnElement[bool]]
    order: Sequence[sa.Column[Any]]

    @property
    def key(self) -> list[sa.Column[Any]]:
        """The primary key without the account."""
        return list(self.table.primary_key.columns)[1:]


_KEPT: Final = {
    kept.table.name: kept
    for kept in (
        _Kept(decisions, lambda cut: decisions.c.id < cut.id, [decisions.c.id]),
        _Kept(outcomes, lambda cut: outcomes.c.request_id < cut.id, [outcomes.c.request_id, outcomes.c.id]),
        # A run that goes on keeps its place, however long ago it began.
        _Kept(runs, lambda cut: sa.and_(runs.c.started_at < cut.at, runs.c.last_at < cut.at), [runs.c.started_at]),
        _Kept(idempotency, lambda cut: idempotency.c.created_at <= cut.tokens, [idempotency.c.created_at]),
        _Kept(run_starts, lambda cut: run_starts.c.since <= cut.starts, [run_starts.c.key_id, run_starts.c.action]),
    )
}


class Doomed(NamedTuple):
    """Rows of one table and account whose time is over: their keys without the account, in order."""

    table: str
    account: str
    days: int
    keys: Sequence[tuple[Any, ...]]


def find(connection: sa.Connection, now: float) -> Doomed | None:
    """Some rows whose time is over; None where there are none."""
    for days in connection.execute(sa.select(accounts.c.retention_days).distinct()).scalars().all():
        cut = cutoff(now, days)
        for kept in _KEPT.values():
            account = connection.execute(_first_account(kept, cut, days)).scalar()
            if account is not None:
                found = connection.execute(
                    sa.select(*kept.key)
                    .where(kept.table.c.account_id == account, kept.over(cut))
                    .order_by(*kept.order)
                    .limit(LIMIT)
                )
                return Doomed(kept.table.name, account, days, sorted([tuple(row) for row in found]))
    return None


def _first_account(kept: _Kept, cut: Cutoff, days: int) -> sa.Select[Any]:
    """An account with rows that are over. The inner query with its limit stays one look at the index per account: no
    planner turns it into a join that reads the table."""
    inner = (
        sa.select(kept.key[0])
        .where(kept.table.c.account_id == accounts.c.id, kept.over(cut))
        .order_by(*kept.order)
        .limit(1)
        .correlate(accounts)
        .scalar_subquery()
    )
    return sa.select(accounts.c.id).where(accounts.c.retention_days == days, inner.is_not(None)).limit(1)


def delete(connection: sa.Connection, doomed: Doomed, now: float) -> int:
    """Delete what was found, as far as it is still over: a run may have gone on meanwhile. Gives the number of rows; 0
    where another process keeps house just now."""
    if not _alone(connection):
        return 0
    kept = _KEPT[doomed.table]
    names = [f"key_{at}" for at in range(len(kept.key))]
    statement = kept.table.delete().where(
        kept.table.c.account_id == doomed.account,
        *[column == sa.bindparam(name) for column, name in zip(kept.key, names, strict=True)],
        kept.over(cutoff(now, doomed.days)),
    )
    return connection.execute(statement, [dict(zip(names, key, strict=True)) for key in doomed.keys]).rowcount


def _alone(connection: sa.Connection) -> bool:
    """Whether no other process keeps house until this transaction ends."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_LOCK})").scalar())


# -- partitions (PostgreSQL)


def has_old_partition(connection: sa.Connection, now: float) -> bool:
    """Whether there is a partition of which no account keeps anything."""
    days = connection.execute(sa.select(sa.func.max(accounts.c.retention_days))).scalar()
    return days is not None and _old_partition(connection, now, days) is not None


def _old_partition(connection: sa.Connection, now: float, days: int) -> str | None:
    """The oldest partition of records that are all older than so many days; None where there is none."""
    names = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'decisions'::regclass ORDER BY c.relname"
    ).scalars()
    for name in names:
        month = _month_of(name)
        if month is not None and ends("month", month) <= now - days * _DAY:
            return partition_name(month)
    return None


def _month_of(name: str) -> int | None:
    """The month of a partition, since 1970; None where it is not one that the store has made."""
    match = _PARTITION.fullmatch(name)
    return None if match is None else (int(match[1]) - 1970) * 12 + int(match[2]) - 1


def drop_partition(connection: sa.Connection, now: float) -> str | None:
    """Drop the oldest partition of which no account keeps anything. Gives its name, None where there is none (or
    another process keeps house). Raises the database's error where the table is in use for too long."""
    if not _alone(connection):
        return None
    # Locked, so that nobody begins to keep records for longer while they are dropped.
    days = connection.execute(sa.select(accounts.c.retention_days).with_for_update(read=True)).scalars().all()
    name = _old_partition(connection, now, max(days)) if days else None
    if name is not None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        connection.exec_driver_sql(f"DROP TABLE {name}")
    return name
