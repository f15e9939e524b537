"""What a large pack costs: on the way of a check, while it is loaded and activated, and when history is replayed.

The pack has 200 rules of its own, 5,000 registered tools and 20 calendars. Everything is real: YAML through the loader,
a ledger on SQLite in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import psutil
import sqlalchemy as sa
from rich.console import Console

from bench.inside import each
from bench.sample import body
from bench.targets import Target, at_least, at_most, targets_table
from bench.wrk import RUNS
from stage0.app import prepare_process
from stage0.core.decide import decide
from stage0.core.pack import Pack
from stage0.engine import Engine
from stage0.engine.job import Asked, Body, CheckJob
from stage0.ledger import open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.catalogue import shipped_catalogue
from stage0.ledger.export import Wanted
from stage0.ledger.ids import new_id
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, create_key
from stage0.ledger.migrate import migrate
from stage0.ledger.packs import activate, push_pack
from stage0.ledger.replay import preview
from stage0.ledger.schema import decisions
from stage0.ledger.store import Store
from stage0.policy import shipped_packs
from stage0.policy.load import pack_of_content
from stage0.policy.upload import Compiled, Upload, compile_upload
from stage0.reading.request import Caller, RunState, State
from stage0.wire import read_check

Say = Callable[[str], None]

RULES: Final = 200
TOOLS: Final = 5_000
CALENDARS: Final = 20
#: What is asked: microseconds added to a check, records replayed a second, megabytes that a replay may grow by.
ADDED_US: Final = 80.0
REPLAYED: Final = 3_000.0
GROWN_MB: Final = 5.0
_ROOT: Final = "root-key-of-the-policy-bench-00001"
#: Checks that wait at any time while a pack is activated.
_WAITING: Final = 32


class Extent(NamedTuple):
    """How much is measured: calls, seconds before and after an activation, records that are replayed."""

    calls: int
    seconds: float
    records: int


FULL: Final = Extent(4_000, 3.0, 200_000)
QUICK: Final = Extent(1_000, 1.0, 20_000)


def large_pack() -> str:
    """The text of the large pack. None of its rules fires on the sample, and all of them look at it."""
    lines = ["name: large", 'version: "1"', "extends: stage0-default", "tools:"]
    for number in range(TOOLS):
        star = ".*" if number % 2 else ""
        lines.append(f"  team{number % 50}.service{number}{star}: {{adds: [write], owner: team{number % 50}}}")
    lines.append("calendars:")
    for number in range(CALENDARS):
        lines.append(
            f'  window_{number}: {{zone: Europe/Berlin, weekly: [{{days: mon-fri, hours: "0{number % 9}:00-17:00"}}]}}'
        )
    lines.append("rules:")
    conditions = (
        "production && amount > {n}.5e9",
        "'money_movement' in effects && records > {n}000000",
        "tools.exists(t, t.startsWith('team{n}.')) && !approved",
        "environment == 'region-{n}' && !calendars.window_{c}",
        "has(arguments.quantity_{n}) && arguments.quantity_{n} > 5",
    )
    for number in range(RULES):
        condition = conditions[number % len(conditions)].format(n=number + 1, c=number % CALENDARS)
        lines.append(f'  OWN_RULE_{number}: {{when: "{condition}", severity: high, message: No., remedy: Ask.}}')
    return "\n".join(lines) + "\n"


def measure(console: Console, folder: Path, extent: Extent, say: Say) -> None:
    """Measure and print, in an interpreter that is set up as the server's is."""
    shipped_packs()
    prepare_process()
    say("making the large pack")
    began = time.perf_counter()
    made = compile_upload(Upload({"pack.yaml": large_pack()}))
    made_in = time.perf_counter() - began
    began = time.perf_counter()
    pack = pack_of_content(made.content.encode())
    loaded_in = time.perf_counter() - began
    say("deciding under it")
    plain, large = _deciding(extent.calls, shipped_packs()["stage0-default"], pack)
    with _history(folder, made) as (store, key):
        say("activating it under load")
        usual, batch, worst = asyncio.run(_activated(store, key, made, extent.seconds))
        say("replaying records under it")
        rate, grown, records = _replayed(store, key, pack, extent.records, say)
    say("")
    rows = [
        Target("reading its YAML, checking it, running its suite (beside the server)", f"{made_in * 1e3:.0f} ms"),
        Target("loading it from the database (in a thread)", f"{loaded_in * 1e3:.0f} ms"),
        Target("decide() under the default pack", f"{plain:.0f} µs"),
        at_most(
            f"added by {RULES} rules, {TOOLS:,} tools, {CALENDARS} calendars", large - plain, ADDED_US, "µs", digits=0
        ),
        Target(f"slowest check with {_WAITING} waiting, usually", f"{usual:.1f} ms"),
        at_most("the slowest while it is loaded and activated, above that", worst - usual, batch, "ms", digits=1),
        at_least(f"records replayed a second, of {records:,}", rate, REPLAYED),
        at_most("memory that the second half of them added", grown, GROWN_MB, "MB", digits=1),
    ]
    console.print(targets_table("a large pack (what an activation may add is one batch)", rows))


def _deciding(calls: int, default: Pack, large: Pack) -> tuple[float, float]:
    """Median microseconds of `decide()` under both packs, in turns; of five turns the least that others disturbed."""
    state, now = State(Caller("acc_bench"), RunState(allows=1)), time.time()
    numbers = count()

    def under(pack: Pack) -> float:
        requests = [read_check(body(number, number % RUNS)) for number in islice(numbers, calls)]
        return each(requests, lambda request: decide(request, pack=pack, state=state, now=now))

    times = [(under(default), under(large)) for _ in range(5)]
    return min(one for one, _ in times), min(other for _, other in times)


@contextlib.contextmanager
def _history(folder: Path, made: Compiled) -> Iterator[tuple[Store, Key]]:
    store = open_store(f"sqlite:///{folder / 'policies.db'}")
    store.create()
    migrate(store.writer)
    now = time.time()
    with store.writer.begin() as connection:
        account = create_account(
            connection, shipped_catalogue(), name="bench", plan="enterprise", actor="bench", now=now
        )
        key, _ = create_key(
            connection, shipped_catalogue(), Keyring([_ROOT]), account=account.id, actor="bench", now=now
        )
        push_pack(connection, shipped_catalogue(), account.id, made, actor="bench", now=now)
    try:
        yield store, key
    finally:
        store.close()


async def _activated(store: Store, key: Key, made: Compiled, seconds: float) -> tuple[float, float, float]:
    """Milliseconds: the slowest check before, one batch, and the slowest check while the pack is activated."""
    engine = Engine(
        open_store(f"sqlite:///{store.where()}"),
        Keyring([_ROOT]),
        shipped_catalogue(),
        clock=time.time,
        engine_version="bench",
        capacity=2_000,
        deadline=60,
    )
    await engine.open()
    seen: list[tuple[float, float]] = []
    ending = asyncio.Event()

    async def ask(first: int) -> None:
        number = first
        while not ending.is_set():
            began = time.perf_counter()
            await engine.check(CheckJob(Asked(key, Body(read_check(body(number, number % RUNS)), secrets=False))))
            seen.append((began, time.perf_counter()))
            number += _WAITING

    asking = [asyncio.create_task(ask(first)) for first in range(_WAITING)]
    try:
        await asyncio.sleep(2 * seconds)
        began = time.perf_counter()
        await engine.load_pack(key.account, made.id)
        await engine.write(
            lambda connection: activate(
                connection,
                shipped_catalogue(),
                key.account,
                made.id,
                force=True,
                pack_cache=engine.pack_cache,
                actor="bench",
                now=time.time(),
            )
        )
        ended = time.perf_counter()
        await asyncio.sleep(seconds)
    finally:
        ending.set()
        await asyncio.gather(*asking)
        await engine.close()
    usual = [(done - sent) * 1e3 for sent, done in seen if began - seconds < sent and done < began]
    during = [(done - sent) * 1e3 for sent, done in seen if done > began and sent < ended]
    return max(usual), median(usual), max(during)


def _replayed(store: Store, key: Key, pack: Pack, records: int, say: Say) -> tuple[float, float, int]:
    """Records a second, megabytes that the second half added, and how many records there were."""
    _multiply(store, key, records, say)
    process, memory = psutil.Process(), []
    began = time.perf_counter()
    found = preview(
        store.reader,
        Wanted(key.account, 0.0, time.time() + 3_600),
        pack,
        tick=lambda seen: memory.append((seen, process.memory_info().rss)),
    )
    seconds = time.perf_counter() - began
    half = next(rss for seen, rss in memory if seen >= found.records / 2)
    return found.records / seconds, (memory[-1][1] - half) / 1e6, found.records


def _multiply(store: Store, key: Key, wanted: int, say: Say) -> None:
    """Store the account's records again, under other ids, until there are so many."""
    with store.reader.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(sa.select(decisions).limit(500))]
        there = connection.execute(sa.select(sa.func.count()).select_from(decisions)).scalar_one()
    now = time.time()
    while there < wanted:
        copies = [{**row, "id": new_id("req", now), "created_at": int(now * 1e6)} for row in rows]
        with store.writer.begin() as connection:
            connection.execute(decisions.insert(), copies)
        there += len(copies)
        if there % 50_000 < len(copies):  # no server is here that would do it
            with contextlib.closing(store.writer.raw_connection()) as connection:  # outside of any transaction
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        say(f"storing records: {there:,}")
