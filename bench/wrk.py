"""Running wrk, and reading what it says."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

#: Where check.lua puts the number of a check, and that of its run: both with as many digits as the marks are long.
CHECK_MARK: Final = "#" * 10
RUN_MARK: Final = "~" * 10
#: Runs that are live at one time: checks go round among them.
RUNS: Final = 1_000

_SCRIPT: Final = str(Path(__file__).with_name("check.lua"))


class Load(NamedTuple):
    """What one run of wrk saw. Latencies are milliseconds; `refused` are answers that were not 2xx."""

    requests: int
    rate: float
    median: float
    p99: float
    refused: int = 0


class Checks(NamedTuple):
    """Which checks are sent: the folder with their pieces, the first number, the runs that they go round among, and
    whether each has an Idempotency-Key."""

    pieces: Path
    first: int
    first_run: int
    runs: int
    tokens: bool = True

    def arguments(self) -> list[str]:
        """As check.lua takes them."""
        numbers = (self.first, self.first_run, self.runs)
        return [str(self.pieces), *[str(number) for number in numbers], "token" if self.tokens else "no-token"]


def start(port: int, checks: Checks, *, connections: int, seconds: int) -> subprocess.Popen[str]:
    """POST checks for some seconds."""
    return subprocess.Popen(
        [
            "wrk",
            "--threads=1",
            f"--connections={connections}",
            f"--duration={seconds}s",
            "--timeout=30s",
            f"--script={_SCRIPT}",
            f"http://127.0.0.1:{port}/check",
            "--",
            *checks.arguments(),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(started: subprocess.Popen[str], *, may_refuse: bool = False) -> Load:
    """What a run saw, at its end. Ends the program where anything but 2xx came back, unless that may be."""
    out, errors = started.communicate()
    if started.returncode:
        raise SystemExit(f"wrk failed:\n{out}{errors}")
    return read(out, may_refuse=may_refuse)


def read(out: str, *, may_refuse: bool = False) -> Load:
    """What wrk has printed. Ends the program as `finish` does."""
    found = [line.split()[1:] for line in out.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise SystemExit(f"wrk printed no result:\n{out}")
    requests, micros, refused, broken, median, p99 = (int(number) for number in found[0])
    if broken or not requests or (refused and not may_refuse):
        raise SystemExit(f"of {requests} answers {refused} were not 2xx, and {broken} connections failed")
    return Load(requests, requests / micros * 1e6, median / 1e3, p99 / 1e3, refused)


def together(loads: Sequence[Load]) -> Load:
    """Runs at the same time as one: rates add up, and the slowest one's latencies count."""
    return Load(
        sum(each.requests for each in loads),
        sum(each.rate for each in loads),
        max(each.median for each in loads),
        max(each.p99 for each in loads),
        sum(each.refused for each in loads),
    )


def percentile(times: Sequence[float], percent: int) -> float:
    """The time that so many percent of sorted ones do not exceed."""
    return times[max(0, math.ceil(len(times) * percent / 100) - 1)]
