"""Filling a database with a month of records, in bulk.

Each of 100 accounts has the same share of all of it. A run has twenty checks, and every check of the last day has its
Idempotency-Key. Ids and times are spread over the month, in order of time, as a server writes them.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg

from bench.sample import HIGH
from stage0.ledger.ids import first_id
from stage0.ledger.schema import metadata
from stage0.ledger.sqlite import sqlite_module

ACCOUNTS: Final = 100
#: Keys that there are: as many in each account, which share one usage group.
KEYS: Final = 10_000
_CHECKS_OF_RUN: Final = 20
_DAY: Final = 86_400.0
_MONTH: Final = 30 * _DAY
_VERDICTS: Final = ("ALLOW", "ALLOW", "ALLOW", "ALLOW", "ALLOW", "ALLOW", "DENY", "DEFER", "DEFER", "ALLOW")
_SMALL: Final = 200
_WHOLE: Final = 3_000
#: Rows of whole records at most: beyond them only the number of rows counts, not how many bytes lie between them.
_WHOLE_ROWS: Final = 1_000_000
#: Bytes on disk that a row takes beside its record, indexes and PostgreSQL's log included.
_BESIDE: Final = 1_500

Row = tuple[Any, ...]


class Filler(Protocol):
    """A database that rows are put into quickly, before it is measured."""

    def put(self, table: str, rows: Iterable[Row]) -> None:
        """Add rows, whose values are in the order of the table's columns."""

    def close(self) -> None:
        """Make all of it durable, and the database as a server would have left it."""


def whole_records(rows: int, free: int, *, quick: bool) -> int:
    """How many of so many rows get records of the usual size: those for which there is room, twice over."""
    wanted = min(rows, _WHOLE_ROWS // 10 if quick else _WHOLE_ROWS)
    needed = 2 * (wanted * (2 * _WHOLE + _BESIDE) + (rows - wanted) * (_SMALL + _BESIDE))
    return wanted if needed <= free else 0


def account(number: int) -> str:
    """The id of an account."""
    return f"acc_{number:026}"


def key(number: int) -> str:
    """The id of a key, which belongs to the account that its number falls on."""
    return f"key_{number:026}"


class Month:
    """Rows of the month before now, by their numbers."""

    def __init__(self, whole: int) -> None:
        self._now = time.time()
        self._whole = whole
        self._random = random.Random(1)
        self._small_record = b"x" * _SMALL
        self._whole_record = b"x" * _WHOLE

    def accounts(self) -> Iterator[Row]:
        """Rows of `accounts`."""
        for number in range(ACCOUNTS):
            yield account(number), f"bench-{number}", "enterprise", "UTC", self._at(0), 180, None, None, None

    def groups(self) -> Iterator[Row]:
        """Rows of `usage_groups`."""
        for number in range(ACCOUNTS):
            yield account(number), "agents", self._at(0), HIGH.month, HIGH.day, HIGH.minute

    def api_keys(self) -> Iterator[Row]:
        """Rows of `api_keys`."""
        for number in range(KEYS):
            who = account(number % ACCOUNTS), key(number), f"bench-{number}", "s0_live_…", f"h1:{number:064x}"
            what = '["check"]', "[]", "[]", "stage0-default", "live", "active", self._at(0), None
            yield *who, *what, key(number), "agents", HIGH.month, HIGH.day, HIGH.minute, "enforce", "", "[]"

    def live_runs(self, owner: int, first: int, last: int) -> Iterator[Row]:
        """Rows of `runs` that checks of an account go on with."""
        now = self._at(1)
        for number in range(first, last):
            yield account(owner), live_run(number), now, now, *_counts(number)

    def decisions(self, first: int, last: int, of: int) -> Iterator[Row]:
        """Rows of `decisions`, with these numbers out of so many."""
        bits = self._random.getrandbits
        for number in range(first, last):
            part = (number + 0.5) / of
            at = self._now - _MONTH * (1 - part)
            run = number // _CHECKS_OF_RUN
            owner = run % ACCOUNTS
            yield (
                account(owner),
                f"{first_id('req', at)[:14]}{bits(64):016x}",
                int(at * 1e6),
                key(owner + ACCOUNTS * (run % (KEYS // ACCOUNTS))),
                _past_run(run),
                _VERDICTS[number % len(_VERDICTS)],
                20,
                " MISSING_SUCCESS_CRITERIA ",
                "stage0-default@1",
                f"v1:{bits(256):064x}",
                self._whole_record if number < self._whole else self._small_record,
            )

    def runs(self, first: int, last: int, of: int) -> Iterator[Row]:
        """Rows of `runs` that are over, with the numbers of their records."""
        for run in range(first // _CHECKS_OF_RUN, last // _CHECKS_OF_RUN):
            at = self._at(run * _CHECKS_OF_RUN / of)
            yield account(run % ACCOUNTS), _past_run(run), at, at, *_counts(run)

    def starts(self, first: int, last: int, of: int) -> Iterator[Row]:
        """Rows of `run_starts`: what each run began with."""
        bits = self._random.getrandbits
        for run in range(first // _CHECKS_OF_RUN, last // _CHECKS_OF_RUN):
            owner = run % ACCOUNTS
            holder = key(owner + ACCOUNTS * (run % (KEYS // ACCOUNTS)))
            yield account(owner), holder, f"{bits(64):016x}", self._at(run * _CHECKS_OF_RUN / of), 1

    def tokens(self, first: int, last: int) -> Iterator[Row]:
        """Rows of `idempotency`: one for every thirtieth record, which is a day of the month."""
        bits = self._random.getrandbits
        for number in range(first // 30, last // 30):
            at = int((self._now - _DAY * self._random.random() * 0.9) * 1e6)
            owner = number % ACCOUNTS
            holder = key(owner + ACCOUNTS * (number % (KEYS // ACCOUNTS)))
            yield account(owner), holder, f"{bits(128):032x}", f"{bits(128):032x}", f"req_{bits(104):026x}", at

    def _at(self, part: float) -> int:
        return int((self._now - _MONTH * (1 - part)) * 1e6)


def live_run(number: int) -> str:
    """The id of an account's run that checks go on with."""
    return f"live_{number:010}"


def _past_run(number: int) -> str:
    # Agents' own ids are in no order.
    return f"run_{number * 0x9E3779B1 % 2**32:08x}_{number}"


_RECENT: Final = str([["argo_cd"] * 16, [f"{number:016x}" for number in range(16)]]).replace("'", '"')


def _counts(number: int) -> Row:
    """The columns of a run after its times."""
    return 18, 1, 1, 0, f"{number:016x}", None, 0, 0.5, _RECENT


def prepare(filler: Filler, month: Month) -> None:
    """Accounts, groups and keys."""
    filler.put("accounts", month.accounts())
    filler.put("usage_groups", month.groups())
    filler.put("api_keys", month.api_keys())


def fill(filler: Filler, month: Month, first: int, last: int, of: int) -> None:
    """The records with these numbers out of so many, and what belongs to them."""
    filler.put("decisions", month.decisions(first, last, of))
    filler.put("runs", month.runs(first, last, of))
    filler.put("run_starts", month.starts(first, last, of))
    filler.put("idempotency", month.tokens(first, last))


def _columns(table: str) -> Sequence[str]:
    return [column.name for column in metadata.tables[table].columns]


class SqliteFiller:
    """SQLite without its log and without waiting for the disk. Nothing else may have the file open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite_module().connect(str(path), isolation_level=None)
        for pragma in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-1048576"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()

    def put(self, table: str, rows: Iterable[Row]) -> None:
        """As Filler has it."""
        names = _columns(table)
        self._connection.execute("BEGIN")
        self._connection.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """As Filler has it."""
        self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
        self._connection.close()
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())


class PostgresFiller:
    """PostgreSQL by COPY."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("SET synchronous_commit = off")
        self._filled: set[str] = set()

    def put(self, table: str, rows: Iterable[Row]) -> None:
        """As Filler has it."""
        self._filled.add(table)
        copy = f"COPY {table} ({', '.join(_columns(table))}) FROM STDIN"
        lines = iter(rows)
        with self._connection.cursor() as cursor, cursor.copy(copy.encode()) as out:
            while piece := list(islice(lines, 1_000)):
                out.write("".join([_line(row) for row in piece]))

    def close(self) -> None:
        """As Filler has it: with what autovacuum does sooner or later done, so that it is not done while measuring."""
        for table in sorted(self._filled):
            self._connection.execute(f"VACUUM (ANALYZE) {table}".encode())
        self._connection.close()


def _line(row: Row) -> str:
    """A row as COPY reads it. No value has a backslash, a tab or a line break in it; bytes are plain ASCII."""
    return "\t".join([_value(value) for value in row]) + "\n"


def _value(value: Any) -> str:
    if value is None:
        return "\\N"
    return value.decode("ascii") if isinstance(value, bytes) else str(value)
