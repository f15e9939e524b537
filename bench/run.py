"""`make bench`: durable checks against servers that decide nothing, on this machine, as ratios within one run.

Targets are measured in turns, round by round, so that whatever else the machine does meets all of them.
Figures are medians of the rounds. Then, without a server, how reading and judging grow with length (`growth.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from growth import report as growth
from inside import Deciding, Disk, deciding
from rich.console import Console
from rich.table import Table
from servers import MARK, Server, baseline, prepare, stage0
from wrk import Load, load

_OUT: Final = Path(__file__).parent / "out"
_CONNECTIONS: Final = (1, 8, 64)
_NAMES: Final = {"Stage0": "Stage0", "raw": "(a) ASGI", "fastapi": "(b) FastAPI"}

_RAW_RATIO: Final = 0.25
_FASTAPI_RATIO: Final = 1.0
_ABOVE_COMMIT_MS: Final = 0.3
_DECIDE_US: Final = 60.0
_MEMORY_MB: Final = 200.0
#: What the second half of the checks may add and the memory still counts as flat.
_FLAT_MB: Final = 3.0


class Extent(NamedTuple):
    """How much is measured."""

    rounds: int
    seconds: int
    calls: int
    checks: int


_FULL: Final = Extent(rounds=5, seconds=3, calls=10_000, checks=100_000)
_QUICK: Final = Extent(rounds=3, seconds=1, calls=2_000, checks=20_000)


class Round(NamedTuple):
    """One round: the load on every target by name and connections, and one commit in milliseconds."""

    loads: Mapping[tuple[str, int], Load]
    commit: float


class Memory(NamedTuple):
    """Resident memory in MB: at the start, and after half and all of the checks."""

    start: float
    half: float
    end: float
    checks: int

    @property
    def flat(self) -> bool:
        return self.end - self.half <= _FLAT_MB


class Targets:
    """The running servers, and load on each of them."""

    def __init__(self, servers: Sequence[Server], folder: Path) -> None:
        self.servers = servers
        self._folder = folder
        self._first = itertools.count(0, 1_000_000)

    def load(self, server: Server, connections: int, seconds: int) -> Load:
        """Load one server with checks that nobody has sent before."""
        return load(server.port, connections=connections, seconds=seconds, pieces=self._folder, first=next(self._first))

    def rounds(self, extent: Extent, disk: Disk) -> Iterator[Round]:
        """Every target at every number of connections, in turns; each round starts with another target."""
        for number in range(extent.rounds):
            loads: dict[tuple[str, int], Load] = {}
            commits = [disk.commit(0.3)]
            for connections in _CONNECTIONS:
                turn = number % len(self.servers)
                for server in (*self.servers[turn:], *self.servers[:turn]):
                    _say(f"round {number + 1} of {extent.rounds}: {server.name}, {connections} connections")
                    loads[server.name, connections] = self.load(server, connections, extent.seconds)
                commits.append(disk.commit(0.3))
            yield Round(loads, median(commits))


def _memory(targets: Targets, server: Server, checks: int) -> Memory:
    """Send checks at 64 connections until there were enough, looking at the memory on the way."""
    start = server.memory()
    half = 0.0
    sent = 0
    while sent < checks:
        _say(f"memory: {sent} of {checks} checks")
        sent += targets.load(server, 64, 2).requests
        if not half and sent >= checks // 2:
            half = server.memory()
    return Memory(start, half, server.memory(), sent)


class Report:
    """The figures, and the two tables made of them."""

    def __init__(self, rounds: Sequence[Round], inside: Deciding, memory: Memory) -> None:
        self._rounds = rounds
        self._inside = inside
        self._memory = memory

    def _median(self, name: str, connections: int, figure: Callable[[Load], float]) -> float:
        return median(figure(each.loads[name, connections]) for each in self._rounds)

    def ratio(self, name: str, other: str, connections: int) -> float:
        """How a target's rate compares with another's, round by round."""
        return median(each.loads[name, connections].rate / each.loads[other, connections].rate for each in self._rounds)

    @property
    def commit(self) -> float:
        return median(each.commit for each in self._rounds)

    @property
    def above_commit(self) -> float:
        """What one connection's check takes beyond one commit, in milliseconds."""
        return median(each.loads["Stage0", 1].median - each.commit for each in self._rounds)

    def loads(self) -> Table:
        table = Table(title="POST /check, durable, against no-ops: (a) ASGI, (b) FastAPI")
        for heading in ("connections", "server"):
            table.add_column(heading)
        for heading in ("requests/s", "median ms", "p99 ms", "x (a)", "x (b)"):
            table.add_column(heading, justify="right")
        for connections in _CONNECTIONS:
            for name, shown in _NAMES.items():
                table.add_row(
                    str(connections),
                    shown,
                    f"{self._median(name, connections, lambda each: each.rate):,.0f}",
                    f"{self._median(name, connections, lambda each: each.median):.2f}",
                    f"{self._median(name, connections, lambda each: each.p99):.2f}",
                    f"{self.ratio(name, 'raw', connections):.2f}",
                    f"{self.ratio(name, 'fastapi', connections):.2f}",
                    end_section=name == "fastapi",
                )
        return table

    def targets(self) -> Table:
        inside, memory = self._inside, self._memory
        raw, fastapi = self.ratio("Stage0", "raw", 64), self.ratio("Stage0", "fastapi", 64)
        one = self._median("Stage0", 1, lambda each: each.median)
        table = Table(title="and what it should be")
        for heading in ("what", "measured", "target", ""):
            table.add_column(heading)

        def row(what: str, measured: str, target: str = "", met: bool | None = None) -> None:
            table.add_row(what, measured, target, "" if met is None else "met" if met else "not met")

        row("64 connections, Stage0 to (a)", f"{raw:.2f}", f">= {_RAW_RATIO}", raw >= _RAW_RATIO)
        row("64 connections, Stage0 to (b)", f"{fastapi:.2f}", f">= {_FASTAPI_RATIO}", fastapi >= _FASTAPI_RATIO)
        row("one commit on this disk", f"{self.commit:.2f} ms")
        row(
            "one connection, above one commit",
            f"{one:.2f}: {self.above_commit:+.2f} ms",
            f"<= {_ABOVE_COMMIT_MS} ms",
            self.above_commit <= _ABOVE_COMMIT_MS,
        )
        row("decide()", f"{inside.whole:.0f} µs", f"<= {_DECIDE_US:.0f} µs", inside.whole <= _DECIDE_US)
        row("  interpreting alone", f"{inside.interpreting:.0f} µs")
        row("  judging alone", f"{inside.judging:.0f} µs")
        row("memory at the start", f"{memory.start:.0f} MB")
        row(
            f"memory after {memory.checks:,} checks",
            f"{memory.end:.0f} MB",
            f"< {_MEMORY_MB:.0f} MB",
            memory.end < _MEMORY_MB,
        )
        row("  of that, the second half", f"{memory.end - memory.half:+.1f} MB", "flat", memory.flat)
        return table


def _measure(folder: Path, extent: Extent) -> Report:
    _say("deciding in process")
    inside = deciding(extent.calls)
    (key, *_) = prepare(folder)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(stage0(folder))
        memory = _memory(Targets([server], folder), server, extent.checks)
        answer = folder / "answer"
        body = (folder / "body").read_bytes().replace(MARK.encode(), b"99999999")
        answer.write_bytes(server.check(body, key))
        verdict = json.loads(answer.read_bytes())["verdict"]
        if verdict != "ALLOW":
            raise SystemExit(f"the sample is answered with {verdict}, not ALLOW")
        others = [stack.enter_context(baseline(kind, folder, answer)) for kind in ("raw", "fastapi")]
        for other in others:
            if other.check(body, key) != answer.read_bytes():
                raise SystemExit(f"{other.name} does not answer what it was given")
        targets = Targets([server, *others], folder)
        for each in targets.servers:
            targets.load(each, 8, 1)
        disk = Disk(folder)
        stack.callback(disk.close)
        return Report(list(targets.rounds(extent, disk)), inside, memory)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<70}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--reading", action="store_true", help="reading and judging alone, without any server")
    parser.add_argument("--folder", type=Path, default=_OUT, help="where the databases are: it decides which disk")
    given = parser.parse_args()
    console = Console()
    if not given.reading:
        _servers(console, given.folder, _QUICK if given.quick else _FULL)
    growth(console, quick=given.quick, say=_say)


def _servers(console: Console, folder: Path, extent: Extent) -> None:
    """The servers' part: the two tables."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        report = _measure(Path(name).resolve(), extent)
    _say("")
    console.print(report.loads())
    console.print(report.targets())
    took = time.monotonic() - start
    console.print(f"{extent.rounds} rounds of {extent.seconds} s for each target, {took:.0f} s in all.")


if __name__ == "__main__":
    main()
