"""Lists of records: bounded, with a cursor where they stop, and never in the way of anybody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
import sqlalchemy as sa

from stage0.engine.engine import LISTS_EACH, LISTS_WAITING
from stage0.ledger import Overloaded
from stage0.ledger.ids import first_id
from stage0.ledger.keys import Key
from stage0.ledger.records import Filter, add_outcome, list_records
from stage0.ledger.schema import decisions
from stage0.ledger.store import Store
from stage0.ledger.usage import read_counters, windows_at
from stage0.wire import Outcome
from tests.asserting import nonempty
from tests.ledger.opening import add_key, check, opened

RECORD: Final = b'{"request": {"goal": "List the open tickets"}}'
ROWS: Final = 3_000


def _stored(store: Store, key: Key, count: int, *, record: bytes = RECORD, code: str = "OFTEN", at: float = 0) -> None:
    """So many records of an account, a millisecond apart, the last one just now; every thousandth has the code RARE."""
    first = (at or time.time()) - count / 1000
    if store.shared:
        for moment in (first, time.time()):
            store.make_partitions(windows_at(moment).month)  # type: ignore[attr-defined]
    rows = [
        {
            "account_id": key.account,
            "id": f"{first_id('req', first + number / 1000)[:14]}{number:016}",
            "created_at": int((first + number / 1000) * 1e6),
            "key_id": key.id,
            "run_id": "run" if number % 2 else None,
            "verdict": "ALLOW" if number % 3 else "DENY",
            "risk_score": 0,
            "codes": f" {'RARE' if number % 1000 == 500 else code} ",
            "policy": "p@1",
            "task_hash": "t",
            "record": record,
        }
        for number in range(count)
    ]
    with store.writer.begin() as connection:
        connection.execute(decisions.insert(), rows)


def _list(store: Store, key: Key, goes_on: Callable[[], bool] = lambda: True, **wanted: Any) -> tuple[list[str], Any]:
    with store.reader.connect() as connection, connection.begin():
        page = list_records(connection, key.account, Filter(**wanted), goes_on)
    return [each["request_id"] for each in page.records], page.next_cursor


def _never() -> bool:
    return False


# -- pages


def test_a_list_that_stops_gives_what_it_found_and_goes_on_from_its_cursor_to_the_same_records(
    store: Store, key: Key
) -> None:
    _stored(store, key, ROWS)
    whole, end = _list(store, key, code="RARE")
    assert len(whole) == 3
    assert end is None
    pieces, cursor, pages = [], "", 0
    while cursor is not None:
        piece, cursor = _list(store, key, _never, code="RARE", before=cursor)
        pieces += piece
        pages += 1
    assert pieces == whole
    assert pages > 3


def test_one_step_of_a_list_looks_at_few_records_however_many_there_are(store: Store, key: Key) -> None:
    """Counted by where it stops."""
    _stored(store, key, ROWS)
    found, cursor = _list(store, key, _never, code="NEVER")
    assert found == []
    with store.reader.connect() as connection:
        looked_at = connection.execute(
            sa.select(sa.func.count()).where(decisions.c.account_id == key.account, decisions.c.id >= cursor)
        ).scalar_one()
    assert 0 < looked_at <= 256


@pytest.mark.parametrize("wanted", [{}, {"run_id": "run"}], ids=["all", "run"])
def test_what_an_index_finds_is_not_looked_for_step_by_step(wanted: dict[str, Any], store: Store, key: Key) -> None:
    _stored(store, key, ROWS)
    found, cursor = _list(store, key, _never, limit=200, **wanted)
    assert len(found) == 200
    assert cursor == found[-1]


@pytest.mark.parametrize(
    "wanted",
    [
        {"verdict": "DENY"},
        {"code": "OFTEN"},
        {"run_id": "run", "verdict": "DENY"},
        {"task_hash": "t"},
        {"task_hash": "u"},
    ],
    ids=str,
)
def test_pages_that_stop_anywhere_cover_what_one_query_finds(wanted: dict[str, Any], store: Store, key: Key) -> None:
    _stored(store, key, 900)
    seen: list[str] = []
    cursor: Any = ""
    while cursor is not None:
        piece, cursor = _list(store, key, _never, limit=70, before=cursor, **wanted)
        seen += piece
    columns = {name: value for name, value in wanted.items() if name != "code"}
    with store.reader.connect() as connection:
        rows = connection.execute(sa.select(decisions).where(decisions.c.account_id == key.account)).all()
    expected = [
        row.id
        for row in rows
        if all(getattr(row, name) == value for name, value in columns.items())
        and wanted.get("code", "") in [*row.codes.split(), ""]
    ]
    assert seen == sorted(expected, reverse=True)


def test_since_and_until_leave_out_records_without_looking_at_them(store: Store, key: Key) -> None:
    now = time.time()
    _stored(store, key, ROWS, at=now)
    since, until = now - 2.0, now - 1.9
    found, cursor = _list(store, key, _never, code="OFTEN", since=since, until=until, limit=200)
    assert cursor is None  # one step was enough for all that is between them
    with store.reader.connect() as connection:
        rows = connection.execute(sa.select(decisions.c.id, decisions.c.created_at, decisions.c.codes)).all()
    expected = [
        row.id for row in rows if int(since * 1e6) <= row.created_at < int(until * 1e6) and "OFTEN" in row.codes
    ]
    assert len(expected) > 90
    assert found == sorted(expected, reverse=True)


def test_a_page_ends_with_the_record_that_makes_it_long(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stage0.ledger.records.PAGE_BYTES", 3 * len(RECORD))
    _stored(store, key, 10)
    first, cursor = _list(store, key, limit=50)
    assert len(first) == 3
    second, _ = _list(store, key, limit=50, before=cursor)
    assert max(second) < min(first)


# -- others


SLOW: Final = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000) SELECT count(*) FROM n"
)


def test_a_read_that_takes_too_long_is_interrupted_by_the_database_and_the_connection_is_well(
    store: Store, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stage0.engine.engine.LIST_SECONDS_MAX", 0.1)

    async def run() -> None:
        async with opened(store) as engine:
            for _ in range(3):
                with pytest.raises(Overloaded, match="too long"):
                    await engine.read_bounded(key.account, lambda connection: connection.exec_driver_sql(SLOW).all())
                assert await engine.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1

    asyncio.run(run())


class Latch:
    """Holds reads inside of their transactions until it is opened."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._held = threading.Semaphore(0)

    def hold(self, connection: sa.Connection) -> int:
        connection.exec_driver_sql("SELECT count(*) FROM config").scalar()
        self._held.release()
        assert self._opened.wait(60)
        return 1

    async def holds(self, count: int) -> None:
        for _ in nonempty(range(count)):
            assert await asyncio.to_thread(self._held.acquire, timeout=60)

    def open(self) -> None:
        self._opened.set()


def test_lists_of_one_account_keep_nobody_elses_requests_waiting(store: Store, key: Key) -> None:
    """Thirty-two at once: two are read, some wait, the others are refused, and everybody else is answered meanwhile."""
    other, text = add_key(store)
    latch = Latch()

    async def run() -> None:
        async with opened(store) as engine:
            done = await check(engine, other)
            lists = [asyncio.create_task(engine.read_bounded(key.account, latch.hold)) for _ in range(32)]
            try:
                await latch.holds(LISTS_EACH)
                found = await engine.key(text, fresh=True)
                assert found is not None
                assert found.id == other.id
                assert await engine.key("a-key-that-nobody-knows-0001", fresh=True) is None
                assert await engine.healthy()
                now = time.time()
                assert await engine.read(lambda c: read_counters(c, other.account, other.holders, now))
                await engine.write(
                    lambda c: add_outcome(c, other, done.request_id, Outcome("executed"), now=now, own=True),
                    account=other.account,
                )
                await check(engine, other)
                page = await engine.read_bounded(
                    other.account, lambda c: list_records(c, other.account, Filter(code="NEVER"), lambda: True)
                )
                assert page.records == []
                assert sum(each.done() for each in lists) == 32 - LISTS_EACH - LISTS_WAITING
            finally:
                latch.open()
            results = await asyncio.gather(*lists, return_exceptions=True)
            assert results.count(1) == LISTS_EACH + LISTS_WAITING
            assert all(isinstance(each, Overloaded) for each in nonempty(each for each in results if each != 1))

    asyncio.run(run())


def test_a_list_whose_caller_is_gone_keeps_its_turn_until_its_thread_is_free(store: Store, key: Key) -> None:
    latch = Latch()

    async def run() -> None:
        async with opened(store) as engine:
            gone = [asyncio.create_task(engine.read_bounded(key.account, latch.hold)) for _ in range(LISTS_EACH)]
            await latch.holds(LISTS_EACH)
            for each in gone:
                each.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
            following = asyncio.create_task(engine.read_bounded(key.account, latch.hold))
            await asyncio.sleep(0)
            assert not following.done()
            latch.open()
            assert await following == 1

    asyncio.run(run())
