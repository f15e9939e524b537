"""What one commit takes: a transaction that inserts one row of a record's size, back to back."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final, Protocol

import psycopg

from stage0.ledger import open_store
from stage0.ledger.ids import new_id
from stage0.ledger.statements import sqlite

#: About what a record of the sample takes.
RECORD: Final = b"x" * 3_500
_INSERT: Final = (
    "INSERT INTO decisions (account_id, id, created_at, key_id, run_id, verdict, risk_score, codes, policy, task_hash, "
    f"record) VALUES ({', '.join(['%s'] * 11)})"
)


class Commits(Protocol):
    """A database that takes one row at a time."""

    def commit(self, seconds: float) -> float:
        """The median time of a one-row transaction over so many seconds, in milliseconds."""

    def close(self) -> None:
        """Let go of it."""


def commits_of(url: str) -> Commits:
    """One connection to a database with this version's tables, with the settings of the server's."""
    return SqliteCommits(url) if url.startswith("sqlite") else PostgresCommits(url)


def _timed(insert: Callable[[tuple[Any, ...]], object], seconds: float) -> float:
    clock = time.perf_counter
    times = []
    end = clock() + seconds
    while clock() < end:
        now = time.time()
        row = ("acc", new_id("req", now), int(now * 1e6), "key", "run", "ALLOW", 1, " ", "pack", "v1:", RECORD)
        start = clock()
        insert(row)
        times.append(clock() - start)
    return median(times) * 1e3


class SqliteCommits:
    """On SQLite, with the server's checkpointer beside it."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url)
        self._store.claim()
        self._pooled = self._store.writer.raw_connection()
        self._connection: Any = self._pooled.dbapi_connection

    def commit(self, seconds: float) -> float:
        """As Commits has it."""
        return _timed(self._insert, seconds)

    def _insert(self, row: tuple[Any, ...]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(sqlite.insert_decisions(1), row)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """As Commits has it."""
        self._pooled.close()
        self._store.close()


class PostgresCommits:
    """On PostgreSQL: one statement that is a transaction of its own, one round trip."""

    def __init__(self, url: str) -> None:
        # The store makes this month's partition when a batch begins.
        store = open_store(url)
        make_partitions(store)
        store.close()
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self._connection.execute("SET synchronous_commit = on")

    def commit(self, seconds: float) -> float:
        """As Commits has it."""
        return _timed(lambda row: self._connection.execute(_INSERT, row, binary=True), seconds)

    def close(self) -> None:
        """As Commits has it."""
        self._connection.close()


def make_partitions(store: Any, back: int = 0) -> None:
    """The partitions of this month, of the one after it, and of so many before it."""
    from stage0.ledger.usage import windows_at

    month = windows_at(time.time()).month
    for number in range(month - back, month + 1):
        store.make_partitions(number)
