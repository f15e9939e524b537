"""Reading and judging, without a server: how long samples take, and how time grows with length.

`python -m bench.reading [SHAPE...]` prints one CSV line for each shape and length; shapes are those of `shapes.py`, by
any part of their name. The server's limits hold: what it would refuse is refused here, and what it would call unread
is unread.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.shapes import SHAPES, Shape
from stage0.core.decide import decide, prepare
from stage0.policy import shipped_packs
from stage0.reading.request import Caller, State
from stage0.server.logs import quiet_parsers
from stage0.wire import Invalid, read_check

_SAMPLES: Final = Path(__file__).parents[1] / "tests" / "corpus" / "samples.json"
_LENGTHS: Final = tuple(2**power for power in range(11))
_QUICK_LENGTHS: Final = (1, 4, 16, 64)
_STATE: Final = State(Caller("acc_bench"))
#: A time in seconds that is enough for one length; one call of more than the second ends a shape.
_ENOUGH: Final = 0.25
_TOO_LONG: Final = 5.0
#: Shorter times than this say nothing about growth (in milliseconds).
_NOISE: Final = 0.5
#: Growth with more than this power of the length, over so many lengths, is called more than linear.
_STEEP: Final = 1.3
_LENGTHS_TO_TELL: Final = 4

_SAMPLE_US: Final = 80.0
_SQL_MS: Final = 1.5
_SHELL_MS: Final = 0.5


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


class Times(NamedTuple):
    """Seconds of one request: strict JSON, secrets and interpretation, facts to verdict. `outcome` is what came of it:
    `refused` by the server, `unread` where an argument could not be read, else `read`."""

    parsing: float
    reading: float
    judging: float
    outcome: str

    @property
    def total(self) -> float:
        return self.parsing + self.reading + self.judging


class Point(NamedTuple):
    """One length of one shape. `ratio` is time per KB to that at the first length; `slope` the power of the length
    with which time grew since the length before: 1 is linear, 2 quadratic."""

    shape: str
    kb: int
    times: Times
    ratio: float
    slope: float | None

    def row(self) -> str:
        stages = (self.times.parsing, self.times.reading, self.times.judging, self.times.total)
        times = [f"{1e3 * each:.3f}" for each in stages]
        slope = "" if self.slope is None else f"{self.slope:.2f}"
        per_kb = f"{1e3 * self.times.total / self.kb:.4f}"
        return ",".join(
            [f'"{self.shape}"', str(self.kb), self.times.outcome, *times, per_kb, f"{self.ratio:.2f}", slope]
        )


HEADINGS: Final = "shape,kb,outcome,parse_ms,read_ms,judge_ms,total_ms,ms_per_kb,ratio_to_first,slope"


# -- one request


def timed(body: bytes) -> Times:
    """The way of one request through reading and deciding."""
    pack = shipped_packs()["stage0-default"]
    clock = time.thread_time
    start = clock()
    try:
        request = read_check(body)
    except Invalid:
        return Times(clock() - start, 0.0, 0.0, "refused")
    parsed = clock()
    prepared = prepare(request, pack.knowledge, _fingerprint)
    read = clock()
    decide(prepared.request, pack=pack, state=_STATE, now=1_773_655_200.0, reading=prepared.reading)
    outcome = "unread" if prepared.reading.unread else "read"
    return Times(parsed - start, read - parsed, clock() - read, outcome)


def _best(shape: Shape, size: int) -> Times:
    """The shortest of several: whatever else the machine does only adds."""
    runs: list[Times] = []
    while len(runs) < 7 and sum(each.total for each in runs) < _ENOUGH:
        runs.append(timed(shape(size, f"s{len(runs)}x{size}")))
    return min(runs, key=lambda each: each.total)


def points(name: str, shape: Shape, lengths: Sequence[int]) -> Iterator[Point]:
    """Every length of a shape, until one takes too long."""
    before: tuple[int, Times] | None = None
    first = 0.0
    timed(shape(1_000, "warm"))
    for kb in lengths:
        times = _best(shape, kb * 1_000)
        first = first or times.total / kb
        yield Point(name, kb, times, times.total / kb / first, _slope(before, kb, times))
        before = kb, times
        if times.total > _TOO_LONG:
            return


def _slope(before: tuple[int, Times] | None, kb: int, times: Times) -> float | None:
    if before is None or before[1].outcome != times.outcome or 1e3 * before[1].total < _NOISE:
        return None
    return math.log(times.total / before[1].total) / math.log(kb / before[0])


def power(found: Sequence[Point]) -> float | None:
    """With which power of the length the time of a shape grows where it grows fastest, over neighbouring lengths that
    came out alike. None where no such lengths take any time."""
    windows = [found[at : at + _LENGTHS_TO_TELL] for at in range(len(found) - _LENGTHS_TO_TELL + 1)]
    return max((_fit(window) for window in windows if _tells(window)), default=None)


def _tells(window: Sequence[Point]) -> bool:
    one_outcome = len({point.times.outcome for point in window}) == 1
    return one_outcome and all(1e3 * point.times.total >= _NOISE for point in window)


def _fit(window: Sequence[Point]) -> float:
    """The slope of the straight line through the points on logarithmic scales."""
    points = [(math.log(point.kb), math.log(point.times.total)) for point in window]
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)


# -- the samples, and two arguments


class Medians(NamedTuple):
    """Interpretation and rules: µs over the samples; ms of a request with 2 KB of SQL or shell."""

    samples: float
    sql: float
    shell: float


def medians(rounds: int) -> Medians:
    """Time what one request takes in ordinary work, JSON and masking aside."""
    samples = json.loads(_SAMPLES.read_text(encoding="utf-8"))
    bodies = [_numbered(each["request"], number) for number in range(rounds) for each in samples]
    arguments = range(max(20, rounds))
    return Medians(
        1e6 * _median(bodies),
        1e3 * _median([SHAPES["SQL"](2_000, f"s{number}") for number in arguments]),
        1e3 * _median([SHAPES["shell"](2_000, f"s{number}") for number in arguments]),
    )


def _numbered(request: dict[str, Any], number: int) -> bytes:
    """A sample whose goal nobody has read before; tools and constraints repeat, as an agent's do."""
    return json.dumps({**request, "goal": f"{request['goal']}, change {number:06}"}).encode()


def _median(bodies: Sequence[bytes]) -> float:
    pack = shipped_packs()["stage0-default"]
    clock = time.thread_time
    times = []
    for body in bodies:
        request = read_check(body)
        start = clock()
        decide(request, pack=pack, state=_STATE, now=1_773_655_200.0)
        times.append(clock() - start)
    return median(times[len(times) // 10 :])


# -- showing


def report(console: Console, *, quick: bool, wanted: Sequence[str] = (), say: Callable[[str], None]) -> None:
    """Measure, and print the medians, every length as CSV, and which shapes grow more than linearly."""
    quiet_parsers()
    shipped_packs()
    # As in the server: the collector leaves alone what lives as long as the process.
    gc.collect()
    gc.freeze()
    console.print(_medians_table(medians(10 if quick else 100)))
    print(HEADINGS)
    steep: list[str] = []
    for name, shape in SHAPES.items():
        if wanted and not any(each in name for each in wanted):
            continue
        say(f"reading: {name}")
        found: list[Point] = []
        for point in points(name, shape, _QUICK_LENGTHS if quick else _LENGTHS):
            print(point.row(), flush=True)
            found.append(point)
        grown = power(found)
        steep += [f"{name} (power {grown:.1f})"] if grown is not None and grown > _STEEP else []
    print(f"more than linear: {'; '.join(steep) or 'no shape'}")


def _medians_table(found: Medians) -> Table:
    table = Table(title="interpretation and rules")
    for heading in ("what", "measured", "target", ""):
        table.add_column(heading)
    rows = (
        ("the samples of tests/corpus, median", found.samples, _SAMPLE_US, "µs"),
        ("2 KB of SQL", found.sql, _SQL_MS, "ms"),
        ("2 KB of shell", found.shell, _SHELL_MS, "ms"),
    )
    for what, measured, target, unit in rows:
        met = "met" if measured <= target else "not met"
        table.add_row(what, f"{measured:.3g} {unit}", f"<= {target:g} {unit}", met)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shapes", nargs="*", help="parts of the names of shapes; all where left out")
    parser.add_argument("--quick", action="store_true", help="fewer lengths and rounds")
    given = parser.parse_args()

    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(text, file=sys.stderr)

    report(Console(), quick=given.quick, wanted=given.shapes, say=say)


if __name__ == "__main__":
    main()
