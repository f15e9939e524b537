"""How a check grows with what is stored: records, keys in use, live runs. On a real ledger, without HTTP.

Batches of 64 checks, whose requests have been read before, go to the ledger one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.commits import commits_of, make_partitions
from bench.fill import (
    ACCOUNTS,
    Filler,
    Month,
    PostgresFiller,
    SqliteFiller,
    fill,
    key,
    live_run,
    prepare,
    whole_records,
)
from bench.sample import ROOT, make_database, text
from bench.targets import GROWN, Target, at_most, table_of, targets_table
from bench.wrk import CHECK_MARK, RUN_MARK
from stage0.engine import Engine
from stage0.engine.job import Asked, Body, CheckJob
from stage0.ledger import open_store
from stage0.ledger.catalogue import shipped_catalogue
from stage0.ledger.idempotency import token_of
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, list_keys
from stage0.wire import read_check
from tests.postgres import Cluster

Say = Callable[[str], None]

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)
QUICK_SIZES: Final = (1_000, 10_000, 100_000)
_KEYS: Final = (10, 100, 1_000, 10_000)
_RUNS: Final = (1, 100, 10_000, 100_000)
_USUAL_KEYS: Final = 100
_USUAL_RUNS: Final = 1_000
#: Checks of a batch, batches that are measured and batches whose requests are read at a time.
_BATCH: Final = 64
_BATCHES: Final = 96
_QUICK_BATCHES: Final = 32
_PIECE: Final = 16
_ROUNDS: Final = 3
_WARM: Final = 16


class Size(NamedTuple):
    """How much there is: records, keys in use, live runs."""

    records: int
    keys: int
    runs: int

    @property
    def accounts(self) -> int:
        """How many accounts the keys and runs in use are spread over."""
        return min(ACCOUNTS, self.keys, self.runs)


class Cost(NamedTuple):
    """What a check took at one size: µs by the clock and of processors (the database's own processes included), one
    commit in milliseconds, and the size of the database in MB."""

    size: Size
    wall: float
    cpu: float
    commit: float
    megabytes: float


class Series(NamedTuple):
    """Sizes of which one grows."""

    what: str
    sizes: Sequence[Size]


def series_of(sizes: Sequence[int]) -> list[Series]:
    """Records first; then keys and live runs, with all of the records there."""
    last = sizes[-1]
    return [
        Series("records", [Size(records, _USUAL_KEYS, _USUAL_RUNS) for records in sizes]),
        Series("keys", [Size(last, keys, _USUAL_RUNS) for keys in _KEYS]),
        Series("live runs", [Size(last, _USUAL_KEYS, runs) for runs in _RUNS]),
    ]


# -- one database


class Sqlite:
    """A database file."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stored.db"
        self.url = f"sqlite:///{self._path}"

    def filler(self) -> Filler:
        """A way to put rows into it."""
        return SqliteFiller(self._path)

    def cpu(self) -> float:
        """Seconds of processors that the database itself has used beside this process: none."""
        return 0.0

    def megabytes(self) -> float:
        """Its size."""
        return sum(path.stat().st_size for path in self._path.parent.glob(f"{self._path.name}*")) / 1e6


class Postgres:
    """A database of a private PostgreSQL."""

    name = "PostgreSQL"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.url = cluster.create("stored")

    def filler(self) -> Filler:
        """A way to put rows into it."""
        store = open_store(self.url)
        make_partitions(store, back=2)
        store.close()
        return PostgresFiller(self.url)

    def cpu(self) -> float:
        """Seconds of processors that PostgreSQL's processes have used, as far as they still run."""
        assert self._cluster.process is not None
        total = 0.0
        for process in psutil.Process(self._cluster.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def megabytes(self) -> float:
        """Its size."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return float(row[0]) / 1e6 if row else 0.0


Place = Sqlite | Postgres


class Contents:
    """What has been put into a database so far."""

    def __init__(self, place: Place, most: int, whole: int) -> None:
        self.place = place
        self._most = most
        self._month = Month(whole)
        self._records = 0
        self._runs = [0] * ACCOUNTS
        make_database(place.url)
        with contextlib.closing(place.filler()) as filler:
            prepare(filler, self._month)

    def grow(self, size: Size) -> None:
        """Add what is missing."""
        each = size.runs // size.accounts
        missing = [owner for owner in range(size.accounts) if self._runs[owner] < each]
        if self._records >= size.records and not missing:
            return
        with contextlib.closing(self.place.filler()) as filler:
            if self._records < size.records:
                fill(filler, self._month, self._records, size.records, self._most)
                self._records = size.records
            runs = [self._month.live_runs(owner, self._runs[owner], each) for owner in missing]
            filler.put("runs", itertools.chain.from_iterable(runs))
        for owner in missing:
            self._runs[owner] = each


# -- the checks


class Checks:
    """Checks that nobody has sent before, spread evenly over the keys and runs in use, in no order."""

    def __init__(self, engine: Engine, keys: dict[str, Key], size: Size) -> None:
        self._engine = engine
        self._keys = keys
        self._text = text()
        self._pack = engine.catalogue.packs["stage0-default"]
        self._first = time.time_ns() // 1_000 % 10**10
        self._turns = itertools.cycle(turns_of(size))

    def batch(self) -> list[CheckJob]:
        """One batch."""
        return [self._job(*next(self._turns)) for _ in range(_BATCH)]

    def _job(self, number: int, run: int) -> CheckJob:
        self._first += 1
        digits = f"{self._first:010}"
        sent = self._text.replace(CHECK_MARK, digits).replace(f"run_{RUN_MARK}", live_run(run)).encode()
        request = read_check(sent)
        keyring = self._engine.keyring
        token = token_of(f"bench-{digits}", sent, keyring.body_hashes)
        job = CheckJob(Asked(self._keys[key(number)], Body(request, secrets=False), token=token))
        job.prepare(self._pack, keyring.fingerprint)
        return job


def turns_of(size: Size) -> list[tuple[int, int]]:
    """Pairs of a key and a run of its account: each key and each run in turn."""
    count = max(size.keys, size.runs)
    chance = random.Random(2)
    keys = _spread(size.keys, size.accounts, chance)
    runs = _spread(size.runs, size.accounts, chance)
    pairs = []
    for number in range(count):
        owner = number % size.accounts
        place = number // size.accounts
        pairs.append((owner + ACCOUNTS * keys[place % len(keys)], runs[place % len(runs)]))
    chance.shuffle(pairs)
    return pairs


def _spread(count: int, accounts: int, chance: random.Random) -> list[int]:
    places = list(range(count // accounts))
    chance.shuffle(places)
    return places


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Engine]:
    engine = Engine(
        open_store(url),
        Keyring([ROOT]),
        shipped_catalogue(),
        clock=time.time,
        engine_version="bench",
        capacity=2_000,
        deadline=60,
    )
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


async def _send(engine: Engine, jobs: Sequence[CheckJob]) -> float:
    """Seconds that a batch takes."""
    start = time.perf_counter()
    futures = [engine.check(job) for job in jobs]
    answers = await asyncio.gather(*futures)
    took = time.perf_counter() - start
    if b'"verdict":"ALLOW"' not in answers[0].body:
        raise SystemExit(f"a check was answered with {answers[0].body[:300]!r}")
    return took


async def _timed(place: Place, size: Size, batches: int) -> tuple[float, float]:
    """µs of a check by the clock (the median of batches) and of processors."""
    async with _opened(place.url) as engine:
        keys = await engine.read(
            lambda connection: {each.id: each for each in list_keys(connection, shipped_catalogue())}
        )
        checks = Checks(engine, keys, size)
        # Each key in use is seen once: a server looks it up on its first check alone.
        for _ in range(_WARM + size.keys // _BATCH):
            await _send(engine, checks.batch())
        gc.collect()
        gc.freeze()
        walls: list[float] = []
        cpu = 0.0
        for _ in range(batches // _PIECE):
            piece = [checks.batch() for _ in range(_PIECE)]
            start = time.process_time() + place.cpu()
            walls += [await _send(engine, jobs) for jobs in piece]
            cpu += time.process_time() + place.cpu() - start
        gc.unfreeze()
    return median(walls) / _BATCH * 1e6, cpu / (len(walls) * _BATCH) * 1e6


def _costs(contents: Contents, series: Series, *, quick: bool, say: Say) -> list[Cost]:
    """Measure each size of a series. Keys and runs are measured in turns, which whatever else the machine does meets
    alike; records can only become more, also by being measured."""
    rounds = 1 if quick or series.what == "records" else _ROUNDS
    costs: list[list[Cost]] = [[] for _ in series.sizes]
    for size, found in [*zip(series.sizes, costs, strict=True)] * rounds:
        say(f"growth: {contents.place.name}, {size.records:,} records, {size.keys:,} keys, {size.runs:,} runs")
        contents.grow(size)
        found.append(cost_of(contents.place, size, _QUICK_BATCHES if quick else _BATCHES))
    return [sorted(found, key=lambda cost: cost.wall)[len(found) // 2] for found in costs]


def cost_of(place: Place, size: Size, batches: int) -> Cost:
    """Measure one size."""
    commits = commits_of(place.url)
    commit = commits.commit(0.1)
    commits.close()
    wall, cpu = asyncio.run(_timed(place, size, batches))
    return Cost(size, wall, cpu, commit, place.megabytes())


# -- showing


def stored_table(place: str, found: Sequence[tuple[Series, Sequence[Cost]]], whole: int) -> Table:
    """One table for a store."""
    most = max(cost.size.records for _, costs in found for cost in costs)
    records = f"the first {whole:,} records of 3 KB, others of 200 bytes" if whole < most else "records of 3 KB"
    figures = ("keys", "live runs", "µs/check", "ratio", "CPU µs/check", "ratio", "commit ms", "MB")
    table = table_of(f"{place}: one check of a batch of 64, by what is stored ({records})", (), ("records", *figures))
    for _, costs in found:
        for cost in costs:
            table.add_row(
                *[f"{number:,}" for number in cost.size],
                f"{cost.wall:.0f}",
                f"{cost.wall / costs[0].wall:.2f}",
                f"{cost.cpu:.0f}",
                f"{cost.cpu / costs[0].cpu:.2f}",
                f"{cost.commit:.2f}",
                f"{cost.megabytes:,.0f}",
                end_section=cost is costs[-1],
            )
    return table


def grown(place: str, series: Series, costs: Sequence[Cost]) -> list[Target]:
    """By how much a check has grown where it has grown most: by the clock, which also shows what others do to the disk,
    and in work, which does not show waiting for it."""
    names = [f"{getattr(cost.size, series.what.rpartition(' ')[2]):,}" for cost in (costs[0], costs[-1])]
    what = f"{place}: {' to '.join(names)} {series.what}"
    wall = max(cost.wall for cost in costs) / costs[0].wall
    cpu = max(cost.cpu for cost in costs) / costs[0].cpu
    return [at_most(f"{what}, by the clock", wall, GROWN), at_most("  in CPU time", cpu, GROWN)]


@contextlib.contextmanager
def _places(folder: Path) -> Iterator[list[Callable[[], Place]]]:
    """The stores, each made when its turn comes."""
    with Cluster() as cluster:
        yield [lambda: Sqlite(folder), lambda: Postgres(cluster)]


def measure(console: Console, folder: Path, *, quick: bool, sizes: Sequence[int], say: Say) -> None:
    """Measure and print what a check takes on each store."""
    sizes = sizes or (QUICK_SIZES if quick else SIZES)
    whole = whole_records(sizes[-1], shutil.disk_usage(folder).free, quick=quick)
    targets: list[Target] = []
    with _places(folder) as places:
        for make in places:
            place = make()
            contents = Contents(place, sizes[-1], whole)
            found = []
            for series in series_of(sizes):
                costs = _costs(contents, series, quick=quick, say=say)
                found.append((series, costs))
                targets += grown(place.name, series, costs)
            say("")
            console.print(stored_table(place.name, found, whole))
    console.print(targets_table("and what it should be: flat", targets))
