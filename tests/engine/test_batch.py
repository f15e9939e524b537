"""Group commit: a batch is recorded as one, a failing job fails alone, and nothing queued is lost."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa

from stage0.engine.job import Answered, Asked, Body, CheckJob
from stage0.engine.writer import BATCH_LIMIT
from stage0.ledger import KeyRefused, NotFound, Overloaded
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.keys import Key
from stage0.ledger.runs import get_run
from stage0.ledger.schema import accounts, events
from stage0.ledger.store import Store
from tests.asserting import nonempty
from tests.deciding import request_of
from tests.ledger.opening import Running, add_key, check, opened, put, recorded


def _fail(connection: sa.Connection) -> None:
    raise NotFound("there is no such thing")


def _event(connection: sa.Connection, action: str) -> str:
    record_event(connection, account="acc_x", actor="t", action=action, target="x", now=time.time())
    return action


def _actions(store: Store) -> list[str]:
    with store.reader.connect() as connection:
        return list(connection.execute(sa.select(events.c.action).where(events.c.account_id == "acc_x")).scalars())


def test_every_check_of_a_batch_is_recorded_under_the_id_of_its_answer(store: Store, key: Key) -> None:
    async def run() -> list[Answered]:
        async with opened(store) as engine:
            found: list[Answered] = await asyncio.gather(
                *[
                    check(engine, key, goal=f"List the tickets of user {number}")
                    for number in range(BATCH_LIMIT * 2 + 9)
                ]
            )
            return found

    answers = asyncio.run(run())
    assert len({request_id for request_id, *_ in answers}) == len(answers) == BATCH_LIMIT * 2 + 9
    assert recorded(store) == {request_id for request_id, *_ in answers}
    assert all(json.loads(body)["request_id"] == request_id for request_id, body, *_ in nonempty(answers))


def test_a_record_is_there_when_its_answer_is(store: Store, key: Key) -> None:
    async def run() -> None:
        async with opened(store) as engine:
            for number in range(20):
                request_id, *_ = await check(engine, key, goal=f"List ticket {number}")
                assert request_id in recorded(store)

    asyncio.run(run())


def test_a_job_that_fails_takes_nothing_from_the_others_of_its_batch(store: Store, key: Key) -> None:
    gone, _ = add_key(store)
    put(store, gone, "revoked")

    async def run() -> tuple[Any, ...]:
        async with opened(store) as engine:
            return await asyncio.gather(
                check(engine, key),
                engine.write(_fail),
                check(engine, gone),
                engine.write(lambda connection: _event(connection, "kept")),
                engine.write(lambda connection: {"some": 1}["none"]),
                check(engine, key),
                return_exceptions=True,
            )

    first, failed, refused, kept, broken, last = asyncio.run(run())
    assert isinstance(failed, NotFound)
    assert isinstance(refused, KeyRefused)
    assert refused.status == "revoked"
    assert isinstance(broken, KeyError)
    assert kept == "kept"
    assert recorded(store) == {first[0], last[0]}
    assert _actions(store) == ["kept"]


def test_a_write_is_all_or_nothing(store: Store, key: Key) -> None:
    def half(connection: sa.Connection) -> None:
        _event(connection, "half")
        raise_epoch(connection)
        raise NotFound("and then it fails")

    def clashes(connection: sa.Connection) -> None:
        _event(connection, "clash")
        row = connection.execute(sa.select(accounts)).first()
        assert row is not None
        connection.execute(accounts.insert().values(**row._mapping))

    async def run() -> tuple[Any, ...]:
        async with opened(store) as engine:
            return await asyncio.gather(
                engine.write(half),
                engine.write(clashes),
                engine.write(lambda connection: _event(connection, "whole")),
                check(engine, key),
                return_exceptions=True,
            )

    with store.reader.connect() as connection:
        before = connection.exec_driver_sql("SELECT epoch FROM config").scalar_one()
    failed, clashed, whole, checked = asyncio.run(run())
    assert isinstance(failed, NotFound)
    assert isinstance(clashed, sa.exc.IntegrityError)
    assert whole == "whole"
    assert _actions(store) == ["whole"]
    assert recorded(store) == {checked[0]}
    with store.reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT epoch FROM config").scalar_one() == before


def test_a_key_that_another_process_changed_counts_from_the_very_next_batch(store: Store, key: Key) -> None:
    async def run() -> list[str]:
        async with opened(store) as engine:
            seen = []
            for status in (None, "disabled", "active", "revoked"):
                if status is not None:
                    put(store, key, status)
                try:
                    await check(engine, key)
                    seen.append("answered")
                except KeyRefused as refused:
                    seen.append(refused.status)
            return seen

    assert asyncio.run(run()) == ["answered", "disabled", "answered", "revoked"]


def test_a_full_queue_refuses_and_records_nothing_of_what_it_refused(store: Store, key: Key) -> None:
    async def run() -> tuple[list[Any], int]:
        async with opened(store, capacity=5) as engine:
            waiting, refused = [], 0
            for _ in range(9):
                try:
                    waiting.append(check(engine, key))
                except Overloaded as error:
                    assert "5 checks are waiting already" in str(error)  # noqa: PT017
                    refused += 1
            return await asyncio.gather(*waiting), refused

    answered, refused = asyncio.run(run())
    assert (len(answered), refused) == (5, 4)
    assert recorded(store) == {request_id for request_id, *_ in answered}


def test_there_is_room_again_once_the_queue_has_drained(store: Store, key: Key) -> None:
    async def run() -> int:
        async with opened(store, capacity=3) as engine:
            for _ in range(4):
                await asyncio.gather(*[check(engine, key) for _ in range(3)])
        return len(recorded(store))

    assert asyncio.run(run()) == 12


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_batch_is_answered_before_the_next_one_is_decided(store: Store, key: Key) -> None:
    async def run() -> None:
        async with opened(store) as engine:
            jobs = [
                CheckJob(Asked(key, Body(request_of(goal=f"List ticket {n}"), secrets=False)))
                for n in range(BATCH_LIMIT + 1)
            ]
            first, *_, last = [engine.check(job) for job in jobs]
            await first
            assert jobs[-1].preparation is None
            await last

    asyncio.run(run())


def test_closing_finishes_what_is_queued_and_takes_no_more(store: Store, key: Key) -> None:
    async def run() -> list[Answered]:
        async with opened(store) as engine:
            waiting = [check(engine, key, goal=f"List ticket {number}") for number in range(BATCH_LIMIT + 50)]
            await engine.close()
            assert all(future.done() for future in nonempty(waiting))
            with pytest.raises(Overloaded):
                check(engine, key)
            return [future.result() for future in waiting]

    answers = asyncio.run(run())
    assert recorded(store) == {request_id for request_id, *_ in answers}
    assert len(answers) == BATCH_LIMIT + 50


def test_closing_waits_for_a_read_that_nobody_waits_for_any_more(store: Store) -> None:
    began, release, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        began.set()
        release.wait(30)
        connection.exec_driver_sql("SELECT 1").scalar_one()
        ended.set()

    async def run() -> bool:
        async with opened(store) as engine:
            reading = asyncio.create_task(engine.read(slow))
            await asyncio.to_thread(began.wait)
            reading.cancel()
            asyncio.get_running_loop().call_later(0.1, release.set)
        return ended.is_set()

    assert asyncio.run(run())


def test_a_caller_that_gives_up_leaves_the_others_their_answers(store: Store, key: Key) -> None:
    async def run() -> None:
        async with opened(store) as engine:
            gone, stays = check(engine, key), check(engine, key)
            gone.cancel()
            request_id, *_ = await stays
            assert request_id in recorded(store)

    asyncio.run(run())


def test_a_check_whose_deadline_has_passed_is_refused_and_not_recorded(store: Store, key: Key) -> None:
    async def run() -> None:
        async with opened(store, deadline=-1) as engine:
            with pytest.raises(Overloaded):
                await check(engine, key)

    asyncio.run(run())
    assert recorded(store) == set()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_while_another_process_writes_checks_wait_and_reads_and_the_loop_go_on(store: Store, key: Key) -> None:
    async def run() -> str:
        async with opened(store) as engine:
            await check(engine, key)
            holding, release = threading.Event(), threading.Event()

            def hold() -> None:
                with store.writer.begin():
                    holding.set()
                    release.wait(30)

            holder = asyncio.create_task(asyncio.to_thread(hold))
            await asyncio.to_thread(holding.wait)
            waiting = check(engine, key)
            assert await engine.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()) == 1
            assert not waiting.done()
            release.set()
            await holder
            request_id: str = (await waiting)[0]
            return request_id

    assert asyncio.run(run()) in recorded(store)


def test_checks_and_writes_of_many_batches_leave_exactly_one_record_each(store: Store, key: Key) -> None:
    async def run() -> tuple[int, int]:
        async with opened(store) as engine:

            async def client(number: int) -> int:
                for turn in range(10):
                    await check(engine, key, goal=f"List ticket {number}-{turn}")
                    if turn % 3 == 0:
                        await engine.write(lambda connection: _event(connection, "turn"))
                return 10

            return sum(await asyncio.gather(*[client(number) for number in range(16)])), 16 * 4

    checks, writes = asyncio.run(run())
    assert len(recorded(store)) == checks
    assert len(_actions(store)) == writes


REFUSAL = {
    "sqlite": """CREATE TRIGGER poison BEFORE INSERT ON decisions WHEN CAST(NEW.record AS TEXT) LIKE '%poisoned%'
                 BEGIN SELECT RAISE(ABORT, 'the database refuses this row'); END""",
    "postgresql": """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     IF position('poisoned'::bytea IN NEW.record) > 0 THEN RAISE EXCEPTION 'refused'; END IF;
                     RETURN NEW; END $$;
                     CREATE TRIGGER poison BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse()""",
}


@pytest.mark.parametrize("poisoned", [{5}, {0, 39}, {3, 4, 20}])
def test_where_the_database_refuses_one_record_the_others_of_its_batch_are_answered(
    poisoned: set[int], store: Store, key: Key
) -> None:
    with store.writer.begin() as connection:
        connection.exec_driver_sql(REFUSAL[store.name])

    async def run() -> list[Any]:
        async with opened(store) as engine:
            return await asyncio.gather(
                *[
                    check(engine, key, goal=f"List the {'poisoned' if number in poisoned else 'good'} tickets {number}")
                    for number in range(40)
                ],
                return_exceptions=True,
            )

    results = asyncio.run(run())
    refused = {number for number, result in enumerate(results) if isinstance(result, BaseException)}
    assert refused == poisoned
    assert not any(isinstance(results[number], Overloaded) for number in nonempty(refused))
    assert recorded(store) == {result[0] for number, result in enumerate(results) if number not in refused}
    with Running(store) as running:
        assert running.used(key) == [(40 - len(poisoned), 40 - len(poisoned), 40 - len(poisoned))]


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_two_servers_on_one_database_count_exactly_whatever_they_share(store: Store, key: Key) -> None:
    async def client(engine: Any, number: int) -> None:
        for turn in range(20):
            await check(engine, key, goal=f"List ticket {number}-{turn}", context={"run_id": f"r{turn}"})

    async def run() -> None:
        async with opened(store) as one, opened(store) as other:
            await asyncio.gather(*[client(engine, number) for number in range(8) for engine in (one, other)])

    asyncio.run(run())
    assert len(recorded(store)) == 320
    with Running(store) as running:
        assert running.used(key)[0][0] == 320
        with store.reader.connect() as connection:
            for turn in range(20):
                assert get_run(connection, key.account, f"r{turn}", now=0)["checks"] == 16


def test_while_keys_change_no_key_that_works_is_refused(store: Store) -> None:
    keys = [add_key(store)[0] for _ in range(60)]

    async def run() -> list[Any]:
        async with opened(store, capacity=10_000) as engine:
            results = []
            for turn in range(12):
                await engine.write(raise_epoch)
                waiting = []
                for burst in range(6):
                    some = keys[burst * 10 : burst * 10 + 10]
                    waiting += [check(engine, which, goal=f"List ticket {turn}-{burst}") for which in some]
                    await asyncio.sleep(0.001)
                results += await asyncio.gather(*waiting, return_exceptions=True)
            return results

    results = asyncio.run(run())
    assert len(results) == 720
    assert [each for each in nonempty(results) if isinstance(each, BaseException)] == []
