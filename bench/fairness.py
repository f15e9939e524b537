"""What a flood of one account does to another: a victim at a steady rate, alone and beside floods.

Each round has each flood once and the victim alone once, in turns. A ratio is taken within its round.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.sample import add_account, make_database
from bench.servers import Server, numbers, stage0
from bench.targets import MOVED, Target, moved, table_of, targets_table
from bench.wrk import RUNS, Checks, Load, finish, read, start

Say = Callable[[str], None]

_RATE: Final = 50
_CONNECTIONS: Final = 4
_FLOOD: Final = 64
#: Seconds of flood before the victim is looked at: in them a key on the plan Pro uses up its minute.
_BEFORE: Final = 2


class Flood(NamedTuple):
    """Another account that sends as fast as it can: the folder of its keys, and whether it sends Idempotency-Keys."""

    name: str
    folder: str
    tokens: bool


ALONE: Final = "nobody"
FLOODS: Final = (
    Flood("a key that is spent", "pro", tokens=False),
    Flood("a spent key with Idempotency-Keys", "pro", tokens=True),
    Flood("a key without limits", "unlimited", tokens=True),
)


class Extent(NamedTuple):
    """How much is measured."""

    rounds: int
    seconds: int


FULL: Final = Extent(rounds=5, seconds=8)
QUICK: Final = Extent(rounds=3, seconds=3)


class Seen(NamedTuple):
    """What the victim saw, and what the flood did; None where there was none."""

    victim: Load
    flood: Load | None


def _victim(server: Server, folder: Path, seconds: int) -> Load:
    port = server.processes[0].port
    given = (port, folder, next(numbers), _RATE, _CONNECTIONS, seconds)
    command = [sys.executable, "-m", "bench.victim", *[str(each) for each in given]]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if ran.returncode:
        raise SystemExit(f"the victim failed:\n{ran.stdout}{ran.stderr}")
    return read(ran.stdout)


def _flooded(server: Server, folder: Path, flood: Flood, seconds: int) -> Seen:
    checks = Checks(folder / flood.folder, next(numbers), 0, RUNS, flood.tokens)
    running = start(server.processes[0].port, checks, connections=_FLOOD, seconds=_BEFORE + seconds + 1)
    time.sleep(_BEFORE)
    victim = _victim(server, folder / "victim", seconds)
    return Seen(victim, finish(running, may_refuse=True))


def _rounds(server: Server, folder: Path, extent: Extent, say: Say) -> Iterator[Mapping[str, Seen]]:
    for number in range(extent.rounds):
        found: dict[str, Seen] = {}
        turns: list[Flood | None] = [None, *FLOODS]
        turn = number % len(turns)
        for flood in (*turns[turn:], *turns[:turn]):
            name = flood.name if flood else ALONE
            say(f"fairness: round {number + 1} of {extent.rounds}, beside {name}")
            if flood is None:
                found[name] = Seen(_victim(server, folder / "victim", extent.seconds), None)
            else:
                found[name] = _flooded(server, folder, flood, extent.seconds)
        yield found


class Figures:
    """What the rounds have shown."""

    def __init__(self, rounds: Sequence[Mapping[str, Seen]]) -> None:
        self._rounds = rounds

    def victim(self, name: str, figure: Callable[[Load], float]) -> float:
        """A figure of the victim beside a flood."""
        return median(figure(each[name].victim) for each in self._rounds)

    def moved(self, name: str) -> float:
        """By which part of itself a flood moved the victim's p99."""
        return median(moved(each[ALONE].victim.p99, each[name].victim.p99) for each in self._rounds)

    def flood(self, name: str) -> tuple[float, float]:
        """A flood's answers a second, and how many of a hundred were refusals."""
        floods = [each[name].flood for each in self._rounds]
        seen = [flood for flood in floods if flood is not None]
        if not seen:
            return 0.0, 0.0
        return median(each.rate for each in seen), median(100 * each.refused / each.requests for each in seen)

    def table(self) -> Table:
        """One row for each flood."""
        title = f"a victim at {_RATE} checks/s over {_CONNECTIONS} connections, beside {_FLOOD} connections of"
        table = table_of(title, ("flood",), ("its answers/s", "refused %", "p50 ms", "p99 ms", "p99 moved"))
        for name in (ALONE, *[flood.name for flood in FLOODS]):
            rate, refused = self.flood(name)
            table.add_row(
                name,
                f"{rate:,.0f}" if rate else "",
                f"{refused:.0f}" if rate else "",
                f"{self.victim(name, lambda load: load.median):.2f}",
                f"{self.victim(name, lambda load: load.p99):.2f}",
                f"{100 * self.moved(name):+.0f} %" if rate else "",
            )
        return table

    def targets(self) -> list[Target]:
        """What is asked of each flood."""
        return [
            Target(
                f"victim's p99 beside {flood.name}",
                f"{100 * self.moved(flood.name):+.0f} %",
                f"< {100 * MOVED:.0f} %",
                self.moved(flood.name) < MOVED,
            )
            for flood in FLOODS
        ]


def measure(console: Console, folder: Path, extent: Extent, say: Say) -> None:
    """Measure and print."""
    url = f"sqlite:///{folder}/fairness.db"
    make_database(url)
    add_account(url, folder / "victim", name="victim")
    add_account(url, folder / "pro", name="pro", plan="pro", limits=None, count=1)
    add_account(url, folder / "unlimited", name="unlimited", limits=None, count=1)
    with stage0("SQLite", url, folder / "victim") as server:
        server.load(_CONNECTIONS, 1)
        figures = Figures(list(_rounds(server, folder, extent, say)))
    say("")
    console.print(figures.table())
    console.print(targets_table("and what it should be", figures.targets()))
