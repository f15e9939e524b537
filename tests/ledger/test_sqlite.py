"""The embedded store: durable settings are asserted, one process holds the file, and an unsafe SQLite is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from stage0.ledger import KeyRefused, Overloaded, Refused, StoreUnavailable, open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.events import record_event
from stage0.ledger.sqlite import SqliteStore, sqlite_module
from stage0.ledger.store import Rows
from tests.catalogue import CATALOGUE
from tests.ledger.opening import add_key, check, migrated, opened, put


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = migrated(tmp_path / "a %?#b.db")
    yield made
    made.close()


def _pragma(store: SqliteStore, name: str, *, reader: bool) -> Any:
    with (store.reader if reader else store.writer).connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


# -- durability


@pytest.mark.parametrize("reader", [False, True])
def test_every_connection_is_wal_with_full_synchronous_and_foreign_keys(reader: bool, store: SqliteStore) -> None:
    assert _pragma(store, "journal_mode", reader=reader) == "wal"
    assert _pragma(store, "synchronous", reader=reader) == 2
    assert _pragma(store, "foreign_keys", reader=reader) == 1
    assert _pragma(store, "wal_autocheckpoint", reader=reader) == 0


_NOTHING: Final = Rows([], [], [], [], [], [])


def test_the_connection_of_a_batch_is_durable_too(store: SqliteStore) -> None:
    def pragmas(connection: sa.Connection) -> list[Any]:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")]

    async def run() -> list[Any]:
        transaction = await store.begin(0)
        try:
            return transaction.run(pragmas)
        finally:
            await transaction.rollback()

    assert asyncio.run(run()) == [2, "wal"]


def test_a_long_log_begins_anew_while_it_is_written_to(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stage0.ledger.sqlite._LOG_PAGES", 20)
    monkeypatch.setattr("stage0.ledger.sqlite._CHECKPOINT_SECONDS", 0.01)
    log = Path(f"{store.path}-wal")
    store.claim()
    with store.writer.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE filler (bytes BLOB)")
        connection.commit()
        written, patience = 0, time.monotonic() + 60
        while written < 4 * log.stat().st_size or written < 1 << 20:
            assert time.monotonic() < patience, f"{written:,} bytes written, {log.stat().st_size:,} of them in the log"
            connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(65536))")
            connection.commit()
            written += 65536
        found = connection.exec_driver_sql("SELECT sum(length(bytes)) FROM filler").scalar_one()
    assert found == written


def test_where_sqlite_cannot_run_its_log_the_store_is_refused() -> None:
    with pytest.raises(Refused, match=r"journal_mode `memory`.*before it is durable"):
        SqliteStore(Path(":memory:")).writer.connect()


def test_a_reading_connection_cannot_write(store: SqliteStore) -> None:
    with store.reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("UPDATE config SET epoch = 9")


def test_a_rolled_back_transaction_leaves_nothing_and_a_committed_one_stays(store: SqliteStore) -> None:
    def epoch() -> Any:
        with store.reader.connect() as connection:
            return connection.exec_driver_sql("SELECT epoch FROM config").scalar_one()

    async def run() -> None:
        transaction = await store.begin(0)
        transaction.run(lambda connection: connection.exec_driver_sql("UPDATE config SET epoch = 5"))
        await transaction.rollback()
        assert epoch() == 1
        transaction = await store.begin(0)
        transaction.run(lambda connection: connection.exec_driver_sql("UPDATE config SET epoch = 6"))
        await transaction.save(_NOTHING)
        assert epoch() == 6
        await store.close_lanes()

    asyncio.run(run())


def test_a_database_that_another_one_writes_is_waited_for_a_while_and_free_afterwards(store: SqliteStore) -> None:
    other = SqliteStore(store.path)
    store.busy_seconds = 0.1

    async def run() -> None:
        held = await other.begin(0)
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            await store.begin(0)
        store.busy_seconds = 30
        waiting = asyncio.create_task(store.begin(0))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await held.rollback()
        await (await waiting).rollback()

    asyncio.run(run())
    other.close()


# -- the file


def test_a_file_that_is_not_there_is_not_made_by_opening_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none.db")
    with pytest.raises(StoreUnavailable, match="gone"):
        asyncio.run(store.begin(0))
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_file_is_noticed_before_anything_is_written_into_the_old_one(
    store: SqliteStore, tmp_path: Path
) -> None:
    asyncio.run(_touched(store))
    other = migrated(tmp_path / "other.db")
    other.close()
    other.path.replace(store.path)
    with pytest.raises(StoreUnavailable, match="replaced"):
        asyncio.run(store.begin(0))


async def _touched(store: SqliteStore) -> None:
    await (await store.begin(0)).rollback()


def test_only_one_holder_at_a_time_and_the_next_one_once_it_has_closed(store: SqliteStore) -> None:
    store.claim()
    store.claim()
    other = SqliteStore(store.path)
    with pytest.raises(Refused, match="another server is running"):
        other.claim()
    store.close()
    other.claim()
    other.close()


CLAIM = """
import sys
from pathlib import Path
from stage0.ledger import Refused
from stage0.ledger.sqlite import SqliteStore
try:
    SqliteStore(Path(sys.argv[1])).claim()
except Refused as refused:
    print(refused)
else:
    print("claimed", flush=True)
    sys.stdin.read()
"""


def _claiming(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_another_process_cannot_hold_the_file_until_the_first_is_gone_even_by_kill(store: SqliteStore) -> None:
    with _claiming(store.path) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "claimed\n"
        with _claiming(store.path) as second:
            said, _ = second.communicate()
        assert "another server is running" in said
        assert str(store.path) in said
        first.kill()
        first.wait()
    store.claim()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+asyncpg://alice:secret-word@db/stage0", "db/stage0"),
        ("mysql://alice:secret-word@db", "mysql://"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///", "sqlite:///"),
        ("", "``"),
        ("/var/lib/stage0.db", "/var/lib/stage0.db"),
    ],
)
def test_an_address_that_is_not_understood_is_refused_without_its_password(url: str, shown: str) -> None:
    with pytest.raises(Refused, match="STAGE0_DATABASE_URL") as refused:
        open_store(url)
    assert shown in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_an_absolute_and_a_relative_address_lead_to_their_files() -> None:
    assert open_store("sqlite:////var/lib/s.db").where() == "/var/lib/s.db"
    assert open_store("sqlite:///data/s.db").where() == "data/s.db"


ENDINGS: Final = ["-wal", "-shm"]


def _found_after_power_loss(path: Path, aside: Path) -> set[str]:
    """The names of accounts that the next process finds: in copies of those files that have a name."""
    aside.mkdir()
    for ending in ("", "-wal"):
        if Path(f"{path}{ending}").exists():
            (aside / f"copy.db{ending}").write_bytes(Path(f"{path}{ending}").read_bytes())
    connection = sqlite_module().connect(aside / "copy.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row[0] for row in connection.execute("SELECT name FROM accounts")}
    finally:
        connection.close()


def _named(name: str) -> Any:
    def write(connection: sa.Connection) -> None:
        create_account(connection, CATALOGUE, name=name, plan="free", actor="t", now=0)

    return write


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_log_that_is_deleted_while_a_batch_is_under_way_costs_its_answers_and_no_record(
    ending: str, store: SqliteStore, tmp_path: Path
) -> None:
    doomed = Path(f"{store.path}{ending}")

    async def write(name: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        transaction = await store.begin(0)
        try:
            transaction.run(_named(name))
            meanwhile()
            await transaction.save(_NOTHING)
        finally:
            await transaction.rollback()

    async def run() -> None:
        await write("before")
        with pytest.raises(StoreUnavailable, match=f"{ending}` was deleted"):
            await write("lost", doomed.unlink)
        assert {"before", "lost"} <= _found_after_power_loss(store.path, tmp_path / "first")
        with pytest.raises(StoreUnavailable, match=f"{ending}` was deleted"):
            await write("never")
        await write("after")
        await store.close_lanes()

    asyncio.run(run())
    found = _found_after_power_loss(store.path, tmp_path / "second")
    assert {"before", "lost", "after"} <= found
    assert "never" not in found


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_are_not_let_go_while_somebody_reads_them_and_no_connection_is_opened_beside(
    ending: str, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection to the new log that shared the index of the old one would read what is not there."""
    monkeypatch.setattr("stage0.ledger.sqlite._LEAVING_SECONDS", 0.05)
    asyncio.run(_touched(store))
    reading = store.reader.connect()
    reading.exec_driver_sql("SELECT count(*) FROM accounts")
    Path(f"{store.path}{ending}").unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"deleted|opened anew"):
            asyncio.run(store.begin(0))
        with pytest.raises(StoreUnavailable, match=r"deleted|opened anew"):
            store.reader.connect()
    assert reading.exec_driver_sql("SELECT count(*) FROM accounts").scalar() == 0
    reading.close()
    with pytest.raises(StoreUnavailable, match="deleted"):
        asyncio.run(store.begin(0))
    asyncio.run(_touched(store))


def test_a_database_with_two_names_is_neither_claimed_nor_opened(store: SqliteStore, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "second.db").hardlink_to(store.path)
    for path in (store.path, tmp_path / "second.db"):
        with pytest.raises(Refused, match="2 names"):
            SqliteStore(path).claim()
        with pytest.raises(Refused, match="2 names"):
            SqliteStore(path).reader.connect()


def test_a_symbolic_link_leads_to_the_lock_of_the_file_itself(store: SqliteStore, tmp_path: Path) -> None:
    store.claim()
    (tmp_path / "link.db").symlink_to(store.path)
    with pytest.raises(Refused, match="another server is running"):
        SqliteStore(tmp_path / "link.db").claim()
    assert SqliteStore(tmp_path / "link.db").where() == str(tmp_path / "link.db")


def test_a_link_that_leads_to_another_database_now_is_noticed(store: SqliteStore, tmp_path: Path) -> None:
    link, other = tmp_path / "link.db", migrated(tmp_path / "other.db")
    link.symlink_to(store.path)
    through = SqliteStore(link)
    asyncio.run(_touched(through))
    link.unlink()
    link.symlink_to(other.path)
    with pytest.raises(StoreUnavailable, match="replaced"):
        asyncio.run(through.begin(0))
    asyncio.run(_touched(through))
    assert through.path == other.path
    through.close()
    other.close()


# -- which SQLite


def _release(version: str) -> ModuleType:
    """A module that says it is this release of SQLite."""
    module = ModuleType("sqlite")
    module.sqlite_version = version  # type: ignore[attr-defined]
    module.sqlite_version_info = tuple(int(part) for part in version.split("."))  # type: ignore[attr-defined]
    return module


def _with(monkeypatch: pytest.MonkeyPatch, *, bundled: str | None, own: str) -> ModuleType | None:
    """pysqlite3 of one release (None: not installed) and an interpreter with another. Gives the former."""
    monkeypatch.setattr("stage0.ledger.sqlite.sqlite3", _release(own))
    if bundled is None:
        monkeypatch.setitem(sys.modules, "pysqlite3", None)
        monkeypatch.setitem(sys.modules, "pysqlite3.dbapi2", None)
        return None
    package, module = ModuleType("pysqlite3"), _release(bundled)
    package.dbapi2 = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pysqlite3", package)
    monkeypatch.setitem(sys.modules, "pysqlite3.dbapi2", module)
    return module


def test_the_sqlite_in_use_has_the_fix_of_the_write_ahead_log() -> None:
    assert sqlite_module().sqlite_version_info >= (3, 51, 3)


def test_pysqlite3_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = _with(monkeypatch, bundled="3.51.3", own="3.60.0")
    assert sqlite_module() is bundled


@pytest.mark.parametrize("bundled", [None, "3.51.2"])
def test_the_interpreters_own_is_used_where_it_alone_is_new_enough(
    bundled: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with(monkeypatch, bundled=bundled, own="3.51.3")
    assert sqlite_module().sqlite_version == "3.51.3"


@pytest.mark.parametrize(("bundled", "shown"), [(None, "3.45.1"), ("3.51.2", "3.51.2, 3.45.1")])
def test_where_none_is_new_enough_the_message_says_what_was_found_and_what_to_do(
    bundled: str | None, shown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _with(monkeypatch, bundled=bundled, own="3.45.1")
    with pytest.raises(Refused, match=rf"SQLite {shown} .*3\.51\.3.*stage0\[server\]"):
        SqliteStore(tmp_path / "refused.db")
    assert list(tmp_path.iterdir()) == []


def test_a_key_revoked_in_a_file_that_took_the_place_of_another_is_refused(tmp_path: Path) -> None:
    """The two files count their changes alike: what was kept of the first must not be taken for the second."""
    first = migrated(tmp_path / "first.db")
    key, _ = add_key(first)
    copy = tmp_path / "copy.db"
    source = sqlite_module().connect(first.path)
    source.execute("VACUUM INTO ?", (str(copy),))
    source.close()
    put(first, key, "disabled")
    put(first, key, "active")

    def exchange() -> None:
        copy.replace(first.path)
        for leftover in ("-wal", "-shm"):
            Path(f"{first.path}{leftover}").unlink(missing_ok=True)

    async def run() -> None:
        async with opened(first) as engine:
            await check(engine, key)
            exchange()
            with pytest.raises(StoreUnavailable):
                await check(engine, key)
            second = SqliteStore(first.path)
            put(second, key, "disabled")
            put(second, key, "revoked")
            second.close()
            with pytest.raises(KeyRefused):
                await check(engine, key)

    asyncio.run(run())
    first.close()


def test_while_the_disk_is_stuck_checks_and_other_writes_are_given_up_at_their_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = migrated(tmp_path / "stuck.db")
    key, _ = add_key(store)
    released = threading.Event()

    async def run() -> None:
        async with opened(store, deadline=0.5) as engine:
            commit = engine.store.commit  # type: ignore[attr-defined]

            async def stuck(work: Any) -> None:
                await commit(lambda: (released.wait(30), work()))

            monkeypatch.setattr(engine.store, "commit", stuck)
            waiting = check(engine, key)
            await asyncio.sleep(0.1)
            late = engine.write(
                lambda connection: record_event(connection, account="a", actor="t", action="late", target="x", now=0)
            )
            for each in (waiting, late):
                with pytest.raises(Overloaded):
                    await each
            released.set()
            monkeypatch.undo()

    asyncio.run(run())
    with store.reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM events WHERE action = 'late'").scalar() == 0
    store.close()
