"""What is asked of the figures, and the tables that show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.table import Table

RAW_RATIO: Final = 0.25
FASTAPI_RATIO: Final = 1.0
#: Two processes on one PostgreSQL, to FastAPI in one.
TWO_RATIO: Final = 1.2
#: How often the median the p99 may be.
TAIL: Final = 6.0
ABOVE_COMMIT_MS: Final = 0.4
DECIDE_US: Final = 60.0
MEMORY_MB: Final = 200.0
#: What the second half of the checks may add and the memory still counts as flat.
FLAT_MB: Final = 3.0
#: By how much a flood of others may move a victim's p99.
MOVED: Final = 0.5
#: What a check may take where much is stored, to what it takes where little is. Beyond it time grows with what is
#: stored; below it, on a machine that others use too, nothing can be told from noise.
GROWN: Final = 1.5


class Target(NamedTuple):
    """One line: what was measured, and what it should be. `met` is None where nothing is asked."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_least(what: str, value: float, bound: float) -> Target:
    """A ratio that should not be lower."""
    return Target(what, f"{value:.2f}", f">= {bound}", value >= bound)


def at_most(what: str, value: float, bound: float, unit: str = "", *, digits: int = 2) -> Target:
    """A figure that should not be higher."""
    unit = f" {unit}" if unit else ""
    return Target(what, f"{value:.{digits}f}{unit}", f"<= {bound:g}{unit}", value <= bound)


def moved(alone: float, flooded: float) -> float:
    """By which part of itself a figure has grown."""
    return flooded / alone - 1 if alone else 0.0


def targets_table(title: str, rows: Iterable[Target]) -> Table:
    """The lines, with whether each is met."""
    table = table_of(title, ("what",), ("measured", "target", ""))
    for row in rows:
        table.add_row(row.what, row.measured, row.target, "" if row.met is None else "met" if row.met else "not met")
    return table


def table_of(title: str, names: Sequence[str], figures: Sequence[str]) -> Table:
    """An empty table: columns of names, then columns of figures."""
    table = Table(title=title, title_justify="left")
    for heading in names:
        table.add_column(heading)
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
