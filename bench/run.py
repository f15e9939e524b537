"""`make bench`: what a check costs on this machine, as ratios within one run.

Six parts: load over HTTP (`load.py`), how a flood of one account meets another (`fairness.py`), how a check grows
with what is stored (`stored.py`), how reading and judging grow with a request's length (`reading.py`), what the worst
bodies cost (`worst.py`) and how long they hold the event loop (`held.py`), and what a large policy pack costs
(`policies.py`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import fairness, held, load, policies, reading, stored, worst

_OUT: Final = Path(__file__).parent / "out"
PARTS: Final = ("load", "fairness", "growth", "reading", "worst", "policy")


def say(text: str) -> None:
    """What is being done now, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:<90}", end="\r" if not text else "", file=sys.stderr, flush=True)


def measure(part: str, console: Console, folder: Path, *, quick: bool, sizes: Sequence[int]) -> None:
    """Measure and print one part."""
    if part == "load":
        load.measure(console, folder, load.QUICK if quick else load.FULL, say)
    elif part == "fairness":
        fairness.measure(console, folder, fairness.QUICK if quick else fairness.FULL, say)
    elif part == "growth":
        stored.measure(console, folder, quick=quick, sizes=sizes, say=say)
    elif part == "policy":
        policies.measure(console, folder, policies.QUICK if quick else policies.FULL, say)
    elif part == "worst":
        worst.report(quick=quick, say=say)
        held.report(folder, say=say)
    else:
        reading.report(console, quick=quick, say=say)


def sizes_of(text: str) -> list[int]:
    """Sizes from the command line: whole numbers that grow, such as `1000,1e5`."""
    found = [int(float(each)) for each in text.split(",")]
    if found[0] < 1 or found != sorted(set(found)):
        raise ValueError(text)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, less that is stored")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be given several times")
    parser.add_argument("--sizes", type=sizes_of, default=[], help="records that are stored: 1000,1e5")
    parser.add_argument("--folder", type=Path, default=_OUT, help="where SQLite's files are: it decides which disk")
    given = parser.parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=120)
    given.folder.mkdir(parents=True, exist_ok=True)
    for part in given.only or PARTS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            measure(part, console, Path(name).resolve(), quick=given.quick, sizes=given.sizes)
        console.print(f"{part}: {time.monotonic() - start:.0f} s\n")


if __name__ == "__main__":
    main()
