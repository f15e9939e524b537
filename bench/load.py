"""Load over HTTP: durable checks with limits, run state and idempotency, against servers that decide nothing.

Servers are loaded in turns, round by round, so that whatever else the machine does meets all of them. Ratios are taken
within their round, and figures are medians of the rounds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.commits import Commits, commits_of
from bench.inside import Deciding, deciding
from bench.sample import add_account, body, counted, make_database
from bench.servers import Server, baseline, stage0
from bench.targets import (
    ABOVE_COMMIT_MS,
    DECIDE_US,
    FASTAPI_RATIO,
    FLAT_MB,
    MEMORY_MB,
    RAW_RATIO,
    TAIL,
    TWO_RATIO,
    Target,
    at_least,
    at_most,
    table_of,
    targets_table,
)
from bench.wrk import Load
from tests.postgres import Cluster

Say = Callable[[str], None]

CONNECTIONS: Final = (1, 8, 64)
SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
TWO: Final = "PostgreSQL, 2 processes"
NAMES: Final = {SQLITE: SQLITE, POSTGRES: POSTGRES, TWO: TWO, "raw": "(a) ASGI", "fastapi": "(b) FastAPI"}


class Extent(NamedTuple):
    """How much is measured."""

    rounds: int
    seconds: int
    calls: int
    checks: int


FULL: Final = Extent(rounds=5, seconds=3, calls=10_000, checks=100_000)
QUICK: Final = Extent(rounds=3, seconds=1, calls=2_000, checks=10_000)


class Round(NamedTuple):
    """One round: the load on every server by name and connections, and one commit in milliseconds by store."""

    loads: Mapping[tuple[str, int], Load]
    commits: Mapping[str, float]


class Memory(NamedTuple):
    """Resident memory in MB: at the start, and after half and all of the checks."""

    start: float
    half: float
    end: float
    checks: int


class Figures:
    """What the rounds have shown, and what is asked of it."""

    def __init__(self, rounds: Sequence[Round], inside: Deciding, memory: Memory) -> None:
        self._rounds = rounds
        self._inside = inside
        self._memory = memory

    def median(self, name: str, connections: int, figure: Callable[[Load], float]) -> float:
        """One figure of a server."""
        return median(figure(each.loads[name, connections]) for each in self._rounds)

    def ratio(self, name: str, other: str, connections: int) -> float:
        """How a server's rate compares with another's."""
        return median(each.loads[name, connections].rate / each.loads[other, connections].rate for each in self._rounds)

    def tail(self, name: str) -> float:
        """How often its median a server's p99 is, at 64 connections."""
        return self.median(name, 64, lambda load: load.p99 / load.median)

    def commit(self, store: str) -> float:
        """One commit, in milliseconds."""
        return median(each.commits[store] for each in self._rounds)

    def above_commit(self, store: str) -> float:
        """What one connection's check takes beyond one commit, in milliseconds."""
        return median(each.loads[store, 1].median - each.commits[store] for each in self._rounds)

    def loads(self) -> Table:
        """The table of rates and latencies."""
        title = "POST /check with limits, runs and idempotency, durable, against no-ops: (a) ASGI, (b) FastAPI"
        table = table_of(title, ("connections", "server"), ("requests/s", "median ms", "p99 ms", "x (a)", "x (b)"))
        for connections in CONNECTIONS:
            for name, shown in NAMES.items():
                table.add_row(
                    str(connections),
                    shown,
                    f"{self.median(name, connections, lambda each: each.rate):,.0f}",
                    f"{self.median(name, connections, lambda each: each.median):.2f}",
                    f"{self.median(name, connections, lambda each: each.p99):.2f}",
                    f"{self.ratio(name, 'raw', connections):.2f}",
                    f"{self.ratio(name, 'fastapi', connections):.2f}",
                    end_section=name == "fastapi",
                )
        return table

    def targets(self) -> list[Target]:
        """Every target of this part."""
        return [*self._rates(), *self._tails(), *self._alone(), *self._process()]

    def _rates(self) -> Iterator[Target]:
        for name, bound in ((SQLITE, FASTAPI_RATIO), (POSTGRES, FASTAPI_RATIO), (TWO, TWO_RATIO)):
            yield at_least(f"64 connections, {name} to (b)", self.ratio(name, "fastapi", 64), bound)
        yield at_least(f"64 connections, {SQLITE} to (a)", self.ratio(SQLITE, "raw", 64), RAW_RATIO)

    def _tails(self) -> Iterator[Target]:
        for name in (SQLITE, POSTGRES, TWO):
            yield at_most(f"64 connections, {name}: p99 to median", self.tail(name), TAIL, digits=1)

    def _alone(self) -> Iterator[Target]:
        for store in (SQLITE, POSTGRES):
            one = self.median(store, 1, lambda each: each.median)
            above = self.above_commit(store)
            yield Target(f"one commit, {store}", f"{self.commit(store):.2f} ms")
            yield Target(
                f"one connection, {store}: above one commit",
                f"{one:.2f}: {above:+.2f} ms",
                f"<= {ABOVE_COMMIT_MS} ms",
                above <= ABOVE_COMMIT_MS,
            )

    def _process(self) -> Iterator[Target]:
        inside, memory = self._inside, self._memory
        yield at_most("decide()", inside.whole, DECIDE_US, "µs", digits=0)
        yield Target("  with a goal that was read before", f"{inside.again:.0f} µs")
        yield Target("  interpreting alone", f"{inside.interpreting:.0f} µs")
        yield Target("  judging alone", f"{inside.judging:.0f} µs")
        yield Target(f"memory at the start, {SQLITE}", f"{memory.start:.0f} MB")
        yield at_most(f"memory after {memory.checks:,} checks", memory.end, MEMORY_MB, "MB", digits=0)
        yield at_most("  of that, the second half", memory.end - memory.half, FLAT_MB, "MB", digits=1)


def memory_of(server: Server, checks: int, say: Say) -> Memory:
    """Send checks at 64 connections until there were enough, looking at the memory on the way."""
    start = server.memory()
    half = 0.0
    sent = 0
    while sent < checks:
        say(f"memory: {sent} of {checks} checks")
        sent += server.load(64, 2).requests
        if not half and sent >= checks // 2:
            half = server.memory()
    return Memory(start, half, server.memory(), sent)


def rounds_of(
    servers: Sequence[Server],
    commits: Mapping[str, Commits],
    extent: Extent,
    after: Callable[[Server, Load], None],
    say: Say,
) -> Iterator[Round]:
    """Every server at every number of connections, in turns; each round starts with another one."""
    for number in range(extent.rounds):
        loads: dict[tuple[str, int], Load] = {}
        times: dict[str, list[float]] = {store: [] for store in commits}
        turn = number % len(servers)
        for connections in CONNECTIONS:
            for store, disk in commits.items():
                times[store].append(disk.commit(0.3))
            for server in (*servers[turn:], *servers[:turn]):
                say(f"round {number + 1} of {extent.rounds}: {server.name}, {connections} connections")
                loads[server.name, connections] = load = server.load(connections, extent.seconds)
                after(server, load)
        yield Round(loads, {store: median(each) for store, each in times.items()})


class Audit:
    """Sees to it that every check that was sent was allowed, and left behind everything that it has to."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._sent = dict.fromkeys(urls, 0)
        self._probes = 0

    def note(self, server: Server, load: Load) -> None:
        """Count what a server has answered, and look at one more answer of it."""
        if server.name in self._sent:
            self._probes += 1
            self._sent[server.name] += load.requests + 1
            server.check(body(9_000_000_000 + self._probes, 0), f"probe-{self._probes}")

    def finish(self) -> Iterator[str]:
        """What each database holds. Ends the program where it is not what was sent."""
        for name, url in self._urls.items():
            found = counted(url)
            wrong = found.wrong(self._sent[name])
            if wrong:
                raise SystemExit(f"{name}: {wrong}")
            yield f"{name}: {found.records:,} checks, all ALLOW and counted, in {found.runs:,} runs"


def measure(console: Console, folder: Path, extent: Extent, say: Say) -> None:
    """Measure and print the load."""
    say("deciding in process")
    inside = deciding(extent.calls)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        urls = {SQLITE: f"sqlite:///{folder}/stage0.db", POSTGRES: cluster.create("one"), TWO: cluster.create("two")}
        stores: list[Server] = []
        for number, (name, url) in enumerate(urls.items()):
            make_database(url)
            add_account(url, folder / str(number))
            stores.append(stack.enter_context(stage0(name, url, folder / str(number), 2 if name == TWO else 1)))
        memory = memory_of(stores[0], extent.checks, say)
        audit = Audit(urls)
        servers = [*stores, *_baselines(stack, stores[0], folder)]
        for each in servers:
            audit.note(each, each.load(8, 1))
        commits = _commits(stack, cluster, folder)
        figures = Figures(list(rounds_of(servers, commits, extent, audit.note, say)), inside, memory)
        held = list(audit.finish())
    say("")
    console.print(figures.loads())
    console.print(targets_table("and what it should be", figures.targets()))
    for line in held:
        console.print(line)


def _baselines(stack: contextlib.ExitStack, store: Server, folder: Path) -> list[Server]:
    """The servers that decide nothing: they send what Stage0 has answered to one check."""
    one = body(9_900_000_000, 0)
    answer = folder / "answer"
    answer.write_bytes(store.check(one, "answer"))
    servers = [stack.enter_context(baseline(kind, store.pieces, answer)) for kind in ("raw", "fastapi")]
    for server in servers:
        if server.check(one, "answer") != answer.read_bytes():
            raise SystemExit(f"{server.name} does not answer what it was given")
    return servers


def _commits(stack: contextlib.ExitStack, cluster: Cluster, folder: Path) -> dict[str, Commits]:
    """Databases beside the servers' own, on the same disks, for timing commits."""
    found: dict[str, Commits] = {}
    for store, url in ((SQLITE, f"sqlite:///{folder}/commits.db"), (POSTGRES, cluster.create("commits"))):
        make_database(url)
        found[store] = commits_of(url)
        stack.callback(found[store].close)
    return found
