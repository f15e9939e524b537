"""PostgreSQL, the shared store: many server processes on many machines, one database, `synchronous_commit=on`.

A batch is two round trips: one pipeline reads and locks, one writes and commits. Everything else goes through
SQLAlchemy on the same driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from stage0.ledger.errors import Conflict, Overloaded, Refused, StoreUnavailable
from stage0.ledger.ids import first_id
from stage0.ledger.rows import PackRow, RunRow, StartsRow, TokenRow, UsageRow
from stage0.ledger.statements import READ_EPOCH, Bulk, postgresql
from stage0.ledger.store import ConfigRows, Found, Needs, Pair, Rows, Store, Triple, run_row, usage_row
from stage0.ledger.usage import ends, month_key, windows_at

T = TypeVar("T")

_OLDEST: Final = 140000
#: Seconds within which a connection has to stand.
_CONNECT_SECONDS: Final = 3
#: While it starts: how often it is looked at, and how often that is said.
_WAIT_LOOK_SECONDS: Final = 0.5
_WAIT_SAID_SECONDS: Final = 10
#: Advisory locks of this product, on one database.
MIGRATION_LOCK: Final = 0x5374_6167_6530_0001
_PARTITION_LOCK: Final = 0x5374_6167_6530_0002
#: For every connection: a commit is durable, and a machine that vanishes does not hold locks for long.
_SETTINGS: Final = {
    "synchronous_commit": "on",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
    "application_name": "stage0",
}
#: For batches, whose statements all go by a key: a plan from when a table was empty must not read all of it later.
_BATCH_SETTINGS: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}

#: Two batches met: a row that both insert (or count in, see SAVE_STARTS), locks.
_CONFLICTS: Final = frozenset({"23505", "40001", "40P01", "55P03"})
#: A statement that was ended for its time.
_CANCELED: Final = "57014"
#: What the database says of one row that it refuses (SQLSTATE classes): data, integrity, size, a trigger.
_OF_ONE_ROW: Final = frozenset({"22", "23", "54", "P0"})


class PostgresTransaction:
    """One open write transaction (see `store.Transaction`)."""

    def __init__(self, store: PostgresStore, connection: Any) -> None:
        self._store = store
        self._connection = connection
        self._begun = False
        self._failed = False

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        """A connection on which something failed for no reason of ours is not used again: it may be to a server that
        has become a standby."""
        try:
            with self._store.translated():
                yield
        except StoreUnavailable:
            self._failed = True
            raise

    async def read(self, needs: Needs, *, lock: bool) -> Found:
        """Read what is needed, in one round trip."""
        usage = postgresql.LOCK_USAGE if lock else postgresql.READ_USAGE
        begun = postgresql.LOCK_STARTS if lock else postgresql.READ_STARTS
        with self._noticed():
            async with self._connection.pipeline():
                if not self._begun:
                    self._begun = True
                    await self._connection.execute("BEGIN")
                epoch = await self._connection.execute(READ_EPOCH, binary=True)
                # Runs, usage, starts: the order in which every batch takes its locks.
                runs = await self._ask(postgresql.LOCK_RUNS, needs.runs)
                counters = await self._ask(usage, needs.holders)
                starts = await self._ask(begun, needs.starts)
                tokens = await self._ask(postgresql.READ_TOKENS, needs.tokens)
                return Found(
                    (await epoch.fetchone())[0],
                    {row[:2]: UsageRow._make(row) for row in await _rows(counters)},
                    {row[:2]: RunRow._make(row) for row in await _rows(runs)},
                    {row[:3]: StartsRow._make(row) for row in await _rows(starts)},
                    {row[:3]: TokenRow._make(row) for row in await _rows(tokens)},
                )

    async def read_config(self, wanted: Sequence[Pair]) -> ConfigRows:
        """Read what decides for keys: one statement, and so one state of the database."""
        accounts = sorted({account for account, _ in wanted})
        keys = [list(column) for column in zip(*wanted, strict=True)]
        with self._noticed():
            cursor = await self._connection.execute(postgresql.READ_CONFIG.text, [accounts, *keys], binary=True)
            return ConfigRows.parse(*await cursor.fetchone())

    async def read_packs(self, wanted: Sequence[Triple]) -> Sequence[PackRow]:
        """Read versions of packs."""
        with self._noticed():
            return [PackRow._make(row) for row in await _rows(await self._ask(postgresql.READ_PACKS, wanted))]

    async def _ask(self, statement: Bulk, rows: Sequence[Sequence[Any]]) -> Any:
        if not rows:
            return None
        return await self._connection.execute(statement.text, _arrays(statement, rows), binary=True)

    async def save(self, rows: Rows) -> None:
        """Write and commit, in one round trip."""
        runs = sorted(rows.runs, key=lambda run: (run.account, run.run_id))
        with self._noticed():
            async with self._connection.pipeline():
                for statement, values in (
                    (postgresql.RAISE_USAGE, [usage_row(counter) for counter in rows.counters]),
                    (postgresql.SAVE_STARTS, rows.starts),
                    (postgresql.DROP_TOKENS, rows.outdated),
                    (postgresql.INSERT_TOKENS, rows.tokens),
                    (postgresql.INSERT_RUNS, [run_row(run) for run in runs if run.new]),
                    (postgresql.CHANGE_RUNS, [run_row(run) for run in runs if not run.new]),
                    (postgresql.INSERT_DECISIONS, rows.decisions),
                ):
                    await self._ask(statement, values)
                await self._connection.execute("COMMIT")
            self._store.give_back(self._connection)

    async def rollback(self) -> None:
        """Take it back; never raises. A connection that cannot even do that is let go."""
        try:
            if self._failed:
                raise StoreUnavailable("the connection has failed")
            if self._begun:
                await self._connection.execute("ROLLBACK")
        except Exception:
            # Whatever befell this connection has befallen those that wait, too.
            await self._store.let_go(self._connection)
            await self._store.close_lanes()
        else:
            self._store.give_back(self._connection)

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Raises Refused: other writes have transactions of their own here."""
        raise Refused("on PostgreSQL other writes have transactions of their own")


async def _rows(cursor: Any) -> Sequence[Any]:
    if cursor is None:
        return ()
    found: list[Any] = await cursor.fetchall()
    return found


def _arrays(statement: Bulk, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Rows as one array for each column. Whole numbers are all sent in one size: the statement stays prepared."""
    from psycopg.types.numeric import Int8

    return [
        [None if value is None else Int8(value) for value in column] if kind.startswith("int") else list(column)
        for kind, column in zip(statement.kinds, zip(*rows, strict=True), strict=True)
    ]


class PostgresStore:
    """Engines and connections to one PostgreSQL database."""

    name = "postgresql"
    shared = True
    #: One batch is decided while the other one is committed.
    lanes = 2

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise Refused("PostgreSQL needs its driver: install `stage0[postgres]`") from None
        self._driver = psycopg
        # A batch that lost a race is done again: that a pipeline was aborted for it is nobody's concern.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        try:
            self._url = sa.make_url(url).set(drivername="postgresql+psycopg")
        except sa.exc.ArgumentError:
            raise Refused("STAGE0_DATABASE_URL is no address: use postgresql://USER:PASSWORD@HOST/DATABASE") from None
        self.writer = self._engine(read_only=False)
        self.reader = self._engine(read_only=True)
        self.generation = 0
        self._free: list[Any] = []
        self._months: set[int] = set()

    def _engine(self, *, read_only: bool) -> sa.Engine:
        settings = {**_SETTINGS, **({"default_transaction_read_only": "on"} if read_only else {})}
        return sa.create_engine(
            self._url,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "options": _options(settings),
                "target_session_attrs": "any" if read_only else "read-write",
                **_KEEPALIVE,
            },
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=8 if read_only else 4,
            pool_timeout=5,
        )

    def exists(self) -> bool:
        """Whether it can be reached. Raises Refused with the reason where it cannot."""
        try:
            with self.reader.connect():
                return True
        except sa.exc.DBAPIError as error:
            raise Refused(f"PostgreSQL at `{self.where()}` cannot be used: {_first_line(error.orig)}") from None

    def is_starting(self) -> bool:
        """Whether nobody listens there yet, or it does not take connections yet. Needs no valid password."""
        conninfo = self._driver.conninfo.make_conninfo(self._conninfo(), connect_timeout=_CONNECT_SECONDS)
        status = self._driver.pq.PGconn.ping(conninfo.encode())
        return status in (self._driver.pq.Ping.REJECT, self._driver.pq.Ping.NO_RESPONSE)

    def create(self) -> None:
        """A database is made by whoever runs PostgreSQL."""

    def where(self) -> str:
        """The address without its password."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    def claim(self) -> None:
        """Any number of processes may serve. Raises Refused where a commit would not be durable there."""
        self.exists()
        with self.reader.connect() as connection:

            def show(name: str) -> str:
                return str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())

            if int(show("server_version_num")) < _OLDEST:
                raise Refused(f"PostgreSQL {show('server_version')} is too old: 14 or newer is needed")
            if show("fsync") != "on" or show("full_page_writes") != "on":
                raise Refused(
                    "PostgreSQL runs with fsync or full_page_writes off: a decision would be answered before it is "
                    "durable: turn both on"
                )
            if show("server_encoding") != "UTF8":
                raise Refused(f"the database has the encoding {show('server_encoding')}; UTF8 is needed")

    def in_place(self) -> bool:
        """A server sees to its files itself."""
        return True

    async def begin(self, now: float) -> PostgresTransaction:
        """A connection for a batch, and this month's partition. Raises StoreUnavailable."""
        with self.translated():
            month = windows_at(now).month
            if month not in self._months:
                await asyncio.to_thread(self.make_partitions, month)
            return PostgresTransaction(self, self._free.pop() if self._free else await self._connect())

    async def _connect(self) -> Any:
        return await self._driver.AsyncConnection.connect(
            self._conninfo(),
            autocommit=True,
            prepare_threshold=0,
            connect_timeout=_CONNECT_SECONDS,
            options=_options({**_SETTINGS, **_BATCH_SETTINGS}),
            target_session_attrs="read-write",
            **_KEEPALIVE,
        )

    def _conninfo(self) -> str:
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    def give_back(self, connection: Any) -> None:
        """Keep a connection for the next batch."""
        self._free.append(connection)

    async def let_go(self, connection: Any) -> None:
        """Close a connection that is not fit for use."""
        with contextlib.suppress(Exception):
            await connection.close()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """What the driver says, as what it means for a batch."""
        try:
            yield
        except (self._driver.Error, sa.exc.DBAPIError) as error:
            origin: Any = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            state = getattr(origin, "sqlstate", None) or ""
            constraint = origin.diag.constraint_name if state == "23514" else ""
            if state in _CONFLICTS or constraint == "usage_within_limits":
                raise Conflict(_first_line(origin)) from error
            if state == "23514" and constraint is None:  # no partition for it
                self._months.clear()
                raise Conflict(_first_line(origin)) from error
            if state[:2] in _OF_ONE_ROW or (not state and isinstance(origin, self._driver.DataError)):
                raise
            raise StoreUnavailable(_first_line(origin)) from error
        except sa.exc.TimeoutError as error:
            raise StoreUnavailable(_first_line(error)) from error

    @contextlib.contextmanager
    def bounded(self, connection: sa.Connection, seconds: float) -> Iterator[None]:
        """As `store.Store` has it: the server ends the statement."""
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        try:
            yield
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _CANCELED:
                raise Overloaded("the read took too long") from error
            raise

    def make_partitions(self, month: int) -> None:
        """The partitions of a month and of the one after it."""
        with self.writer.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PARTITION_LOCK})")
            for number in (month, month + 1):
                _make_partition(connection, number)
        self._months.add(month)

    async def close_lanes(self) -> None:
        """Close the connections of batches."""
        while self._free:
            await self.let_go(self._free.pop())

    def close(self) -> None:
        """Close everything else."""
        self.writer.dispose()
        self.reader.dispose()


def wait_for(store: Store, seconds: int, say: Callable[[str], None]) -> None:
    """Wait while a PostgreSQL starts, so many seconds at most. Afterwards, and where it answers and refuses (a wrong
    password, a database that does not exist), the first connection says what is wrong."""
    if not isinstance(store, PostgresStore):
        return
    where = f"PostgreSQL at `{store.where()}`"
    start = said = time.monotonic()
    while (now := time.monotonic()) < start + seconds and store.is_starting():
        if now >= said:
            say(f"{where} takes no connections yet: waiting, {start + seconds - now:.0f} seconds more at most")
            said = now + _WAIT_SAID_SECONDS
        time.sleep(_WAIT_LOOK_SECONDS)
    if said != start:
        say(f"{where} has been waited for")


def partition_name(month: int) -> str:
    """The table that holds a month's records."""
    return f"decisions_{month_key(month).replace('-', '_')}"


def _make_partition(connection: sa.Connection, month: int) -> None:
    """One month's partition. It is attached and not created in place, which would lock out whoever writes."""
    name = partition_name(month)
    if connection.exec_driver_sql("SELECT to_regclass(%s)", (name,)).scalar() is not None:
        return
    begins, over = (first_id("req", ends("month", number)) for number in (month - 1, month))
    # A record of a usual size stays in its row, uncompressed: compressing it takes longer than writing it.
    connection.exec_driver_sql(
        f"CREATE TABLE {name} (LIKE decisions INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (toast_tuple_target=8160)"
    )
    connection.exec_driver_sql(
        f"ALTER TABLE decisions ATTACH PARTITION {name} FOR VALUES FROM ('{begins}') TO ('{over}')"
    )


#: A machine that has vanished is noticed within seconds.
_KEEPALIVE: Final[dict[str, Any]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def _options(settings: dict[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]
