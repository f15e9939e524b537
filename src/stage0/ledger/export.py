"""Export: an account's records as lines of JSON or CSV, oldest first.

It reads in pages by key, each in a short transaction of its own, so that neither memory nor SQLite's log grows with
the number of records, and no check waits for it.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from stage0.ledger.ids import first_id
from stage0.ledger.records import summary, whole_record
from stage0.ledger.schema import decisions, outcomes
from stage0.wire import encode

#: A page ends after so many records, or with the one that makes it so many bytes.
PAGE_RECORDS: Final = 500
PAGE_BYTES: Final = 8_000_000

COLUMNS: Final = (
    "request_id",
    "created_at",
    "api_key_id",
    "run_id",
    "verdict",
    "risk_score",
    "issue_codes",
    "policy_version",
    "task_hash",
    "goal",
    "tools",
    "side_effects",
    "outcome",
)
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Wanted(NamedTuple):
    """Which records: those of an account that were made from `since` on and before `until`, in Unix seconds."""

    account: str
    since: float
    until: float


class Recorded(NamedTuple):
    """The row of a record, and those of its outcomes, oldest first."""

    row: Any
    outcomes: Sequence[Any]


def count_records(reader: sa.Engine, wanted: Wanted) -> int:
    """How many records there are."""
    with reader.connect() as connection, connection.begin():
        return connection.execute(sa.select(sa.func.count()).where(*_range(wanted))).scalar_one()


def _range(wanted: Wanted, after: str = "") -> list[sa.ColumnElement[bool]]:
    """The condition: by the key, whose order is that of time, and exactly by the time."""
    return [
        decisions.c.account_id == wanted.account,
        decisions.c.id > after if after else decisions.c.id >= first_id("req", max(0.0, wanted.since)),
        decisions.c.id < first_id("req", max(0.0, wanted.until) + 0.001),
        decisions.c.created_at >= int(wanted.since * 1e6),
        decisions.c.created_at < int(wanted.until * 1e6),
    ]


def pages(reader: sa.Engine, wanted: Wanted) -> Iterator[list[Recorded]]:
    """The records in pages, oldest first."""
    after = ""
    while True:
        with reader.connect() as connection, connection.begin():
            page = _page(connection, wanted, after)
        if not page:
            return
        yield page
        after = page[-1].row.id


def _page(connection: sa.Connection, wanted: Wanted, after: str) -> list[Recorded]:
    key, within = decisions.c.id, _range(wanted, after)
    sizes = connection.execute(
        sa.select(key, sa.func.length(decisions.c.record)).where(*within).order_by(key).limit(PAGE_RECORDS)
    ).all()
    last, size = "", 0
    for identifier, length in sizes:
        last, size = identifier, size + length
        if size >= PAGE_BYTES:
            break
    if not last:
        return []
    rows = connection.execute(sa.select(decisions).where(*within, key <= last).order_by(key)).all()
    done = connection.execute(
        sa.select(outcomes)
        .where(outcomes.c.account_id == wanted.account)
        .where(outcomes.c.request_id >= sizes[0].id, outcomes.c.request_id <= last)
        .order_by(outcomes.c.request_id, outcomes.c.at, outcomes.c.id)
    )
    by_record: dict[str, list[Any]] = defaultdict(list)
    for each in done:
        by_record[each.request_id].append(each)
    return [Recorded(row, by_record.get(row.id, ())) for row in rows]


# -- formats


def as_json(recorded: Recorded) -> bytes:
    """A whole record on one line. Numbers are written as they were sent, however long they are."""
    whole = whole_record(recorded.row, recorded.outcomes)
    try:
        return encode(whole) + b"\n"
    except OverflowError:
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def as_csv(recorded: Recorded) -> bytes:
    """A record in short, as one row in the order of `COLUMNS`, RFC 4180; cells may hold line breaks."""
    short = summary(recorded.row)
    done = recorded.outcomes
    cells = {
        **short,
        "created_at": datetime.fromtimestamp(short["created_at"], UTC).isoformat(timespec="microseconds"),
        "issue_codes": " ".join(short["issue_codes"]),
        "tools": "; ".join(short["tools"]),
        "side_effects": "; ".join(short["side_effects"]),
        "outcome": done[-1].status if done else "",
    }
    return _line([cells[name] for name in COLUMNS])


def _line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue().encode()


def _harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: callers choose what their goals begin with."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


#: For each format: the line above all records, and how a record is written.
FORMATS: Final[dict[str, tuple[bytes, Callable[[Recorded], bytes]]]] = {
    "jsonl": (b"", as_json),
    "csv": (_line(COLUMNS), as_csv),
}
