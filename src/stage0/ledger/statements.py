"""The statements on the way of a check, written by hand, side by side for both databases. Everything else goes through
SQLAlchemy Core.

Each takes all rows of a batch at once: on SQLite as one JSON text (or a list of values where a record is among them),
on PostgreSQL as one array for each column.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import NoneType
from typing import Final, NamedTuple, get_args, get_type_hints

from stage0.ledger.rows import (
    ActiveRow,
    KeyRow,
    NewDecision,
    NewToken,
    NewUsage,
    PackRow,
    RunRow,
    Start,
    StartsRow,
    StopRow,
    TokenRow,
    UsageRow,
)

#: Types on PostgreSQL, by those of the fields; a column that has another one is named where it is asked for.
_TYPES: Final = {str: "text", int: "int8", float: "float8", bytes: "bytea"}


def _columns(row: type[NamedTuple], **others: str) -> dict[str, str]:
    """The columns of a row in its order, with their types on PostgreSQL."""
    return {name: others.get(name) or _TYPES[_plain(kind)] for name, kind in get_type_hints(row).items()}


def _plain(kind: type) -> type:
    """A type without its None."""
    return next((each for each in get_args(kind) if each is not NoneType), kind)


def _select(table: str, row: type[NamedTuple], **others: str) -> str:
    """The columns of a row as they are read from a table by its short name, or from elsewhere."""
    return ", ".join([others.get(name, f"{table}.{name}") for name in row._fields])


_DECISION: Final = _columns(NewDecision, risk_score="int4")
_TOKEN: Final = _columns(NewToken)
_USAGE: Final = _columns(NewUsage)
_RUN: Final = _columns(RunRow)
_START: Final = _columns(StartsRow)
_COUNTED: Final = _columns(Start)
#: What a check changes of a run that is there: outcomes alone add to its cost.
_RUN_CHANGES: Final = [name for name in _RUN if name not in ("account_id", "run_id", "started_at", "cost_usd")]

#: What a batch has to know of a key, of its account and of its usage group: columns of `k`, `a` and `g`.
_KEY: Final = _select(
    "k",
    KeyRow,
    plan="a.plan",
    timezone="a.timezone",
    **{
        f"{whose}_{limit}": f"{whose[0]}.{limit}"
        for whose in ("account", "group")
        for limit in ("per_month", "per_day", "per_minute")
    },
)
_ITS_ACCOUNT: Final = (
    "JOIN accounts a ON a.id = k.account_id "
    "LEFT JOIN usage_groups g ON g.account_id = k.account_id AND g.name = k.usage_group"
)
READ_EPOCH: Final = "SELECT epoch FROM config WHERE id = 1"
_READ_USAGE: Final = f"SELECT {_select('u', UsageRow)}"
_READ_RUNS: Final = f"SELECT {_select('r', RunRow)}"
_READ_STARTS: Final = f"SELECT {_select('s', StartsRow)}"
_READ_PACKS: Final = f"SELECT {_select('p', PackRow)}"
_STOP: Final = _select("s", StopRow)
_ACTIVE: Final = _select("p", ActiveRow)


def _read_tokens(sent: str) -> str:
    """The record is read only where the body is one of those that were `sent` (an expression): it may be long."""
    columns = _select(
        "i",
        TokenRow,
        verdict="d.verdict",
        record=f"CASE WHEN {sent} THEN d.record END",
        reported=(
            "(SELECT count(*) FROM outcomes o WHERE o.account_id = i.account_id AND o.request_id = i.request_id)"
        ),
    )
    return f"SELECT {columns}"


_ITS_RECORD: Final = "LEFT JOIN decisions d ON d.account_id = i.account_id AND d.id = i.request_id"

#: A window that has begun since starts at what this batch adds; one that another server has begun goes on.
_RAISE_USAGE: Final = "ON CONFLICT (account_id, holder) DO UPDATE SET " + ", ".join(
    [
        f"{window}_used = excluded.{window}_used + CASE WHEN usage.{window} >= excluded.{window} "
        f"THEN usage.{window}_used ELSE 0 END, "
        f"{window} = CASE WHEN usage.{window} > excluded.{window} THEN usage.{window} ELSE excluded.{window} END, "
        f"{window}_limit = excluded.{window}_limit"
        for window in ("month", "day", "minute")
    ]
    + [
        f"{window}_warned = CASE WHEN usage.{window} >= excluded.{window} THEN usage.{window}_warned ELSE 0 END"
        for window in ("month", "day")
    ]
)
_RAISE_STARTS: Final = (
    "ON CONFLICT (account_id, key_id, action) DO UPDATE SET since = excluded.since, begun = excluded.begun"
)


def _insert(table: str, columns: Mapping[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


class sqlite:
    """Parameters are `?`; the one of a JSON text holds a list of rows."""

    # CROSS JOIN keeps SQLite from turning the join around and reading the whole table.
    # One statement, and so one state of the database: the epoch, and what was in force then. JSON texts of rows, for
    # the accounts and the keys (account and id) that are asked for.
    READ_CONFIG: Final = (
        "SELECT c.epoch, "
        f"(SELECT json_group_array(json_array({_KEY})) FROM json_each(?2) v CROSS JOIN api_keys k "
        f"{_ITS_ACCOUNT} WHERE k.account_id = v.value ->> 0 AND k.id = v.value ->> 1), "
        f"(SELECT json_group_array(json_array({_STOP})) "
        "FROM json_each(?1) v CROSS JOIN stops s WHERE s.account_id = v.value), "
        f"(SELECT json_group_array(json_array({_ACTIVE})) "
        "FROM json_each(?1) v CROSS JOIN policy_active p WHERE p.account_id = v.value) "
        "FROM config c WHERE c.id = 1"
    )
    READ_PACKS: Final = (
        f"{_READ_PACKS} FROM json_each(?) v CROSS JOIN policy_packs p "
        "WHERE p.account_id = v.value ->> 0 AND p.name = v.value ->> 1 AND p.version = v.value ->> 2"
    )
    READ_USAGE: Final = (
        f"{_READ_USAGE} FROM json_each(?) v CROSS JOIN usage u "
        "WHERE u.account_id = v.value ->> 0 AND u.holder = v.value ->> 1"
    )
    READ_RUNS: Final = (
        f"{_READ_RUNS} FROM json_each(?) v CROSS JOIN runs r "
        "WHERE r.account_id = v.value ->> 0 AND r.run_id = v.value ->> 1"
    )
    READ_STARTS: Final = (
        f"{_READ_STARTS} FROM json_each(?) v CROSS JOIN run_starts s "
        "WHERE s.account_id = v.value ->> 0 AND s.key_id = v.value ->> 1 AND s.action = v.value ->> 2"
    )
    READ_TOKENS: Final = (
        f"{_read_tokens('instr(v.value ->> 3, i.body) > 0')} "
        f"FROM json_each(?) v CROSS JOIN idempotency i {_ITS_RECORD} "
        "WHERE i.account_id = v.value ->> 0 AND i.key_id = v.value ->> 1 AND i.token = v.value ->> 2"
    )
    DROP_TOKENS: Final = (
        "DELETE FROM idempotency WHERE (account_id, key_id, token, request_id) IN "
        "(SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?))"
    )
    # What is written is bound row by row: that is quicker than taking it out of a JSON text.
    RAISE_USAGE: Final = f"{_insert('usage', _USAGE)} {_RAISE_USAGE}"
    SAVE_RUNS: Final = f"{_insert('runs', _RUN)} ON CONFLICT (account_id, run_id) DO UPDATE SET " + ", ".join(
        f"{name} = excluded.{name}" for name in _RUN_CHANGES
    )
    SAVE_STARTS: Final = f"{_insert('run_starts', _START)} {_RAISE_STARTS}"
    INSERT_TOKENS: Final = _insert("idempotency", _TOKEN)

    @staticmethod
    @lru_cache(maxsize=512)
    def insert_decisions(count: int) -> str:
        """One statement for so many rows."""
        row = f"({', '.join('?' * len(_DECISION))})"
        return f"INSERT INTO decisions ({', '.join(_DECISION)}) VALUES {', '.join([row] * count)}"


class Bulk(NamedTuple):
    """A statement on PostgreSQL, and the type of each of its arrays."""

    text: str
    kinds: tuple[str, ...]


def _bulk(head: str, columns: Mapping[str, str], tail: str = "") -> Bulk:
    arrays = f"unnest({', '.join(f'%b::{kind}[]' for kind in columns.values())})"
    return Bulk(f"{head} {arrays} {tail}", tuple(columns.values()))


_PAIR: Final = {"a": "text", "b": "text"}
_TRIPLE: Final = {"a": "text", "b": "text", "c": "text"}


class postgresql:
    """Parameters are `%b`, one array for each column."""

    # Accounts, then accounts and ids of keys.
    READ_CONFIG: Final = Bulk(
        "WITH v(a) AS (SELECT unnest(%b::text[])), w(a, b) AS (SELECT * FROM unnest(%b::text[], %b::text[])) "
        "SELECT c.epoch, "
        f"(SELECT coalesce(json_agg(json_build_array({_KEY})), '[]')::text FROM w JOIN api_keys k "
        f"ON k.account_id = w.a AND k.id = w.b {_ITS_ACCOUNT}), "
        f"(SELECT coalesce(json_agg(json_build_array({_STOP})), '[]')::text "
        "FROM v JOIN stops s ON s.account_id = v.a), "
        f"(SELECT coalesce(json_agg(json_build_array({_ACTIVE})), '[]')::text "
        "FROM v JOIN policy_active p ON p.account_id = v.a) "
        "FROM config c WHERE c.id = 1",
        ("text", "text", "text"),
    )
    READ_PACKS: Final = _bulk(
        f"{_READ_PACKS} FROM",
        _TRIPLE,
        "AS v(a, b, c) JOIN policy_packs p ON p.account_id = v.a AND p.name = v.b AND p.version = v.c",
    )

    READ_USAGE: Final = _bulk(
        f"{_READ_USAGE} FROM", _PAIR, "AS v(a, b) JOIN usage u ON u.account_id = v.a AND u.holder = v.b"
    )
    LOCK_USAGE: Final = _bulk(
        f"{_READ_USAGE} FROM",
        _PAIR,
        "AS v(a, b) JOIN usage u ON u.account_id = v.a AND u.holder = v.b "
        "ORDER BY u.account_id, u.holder FOR UPDATE OF u",
    )
    LOCK_RUNS: Final = _bulk(
        f"{_READ_RUNS} FROM",
        _PAIR,
        "AS v(a, b) JOIN runs r ON r.account_id = v.a AND r.run_id = v.b "
        "ORDER BY r.account_id, r.run_id FOR UPDATE OF r",
    )
    READ_STARTS: Final = _bulk(
        f"{_READ_STARTS} FROM",
        _TRIPLE,
        "AS v(a, b, c) JOIN run_starts s ON s.account_id = v.a AND s.key_id = v.b AND s.action = v.c",
    )
    READ_TOKENS: Final = _bulk(
        f"{_read_tokens('strpos(v.d, i.body) > 0')} FROM",
        {**_TRIPLE, "d": "text"},
        f"AS v(a, b, c, d) JOIN idempotency i ON i.account_id = v.a AND i.key_id = v.b AND i.token = v.c {_ITS_RECORD}",
    )
    DROP_TOKENS: Final = _bulk(
        "DELETE FROM idempotency i USING",
        {**_TRIPLE, "d": "text"},
        "AS v(a, b, c, d) WHERE i.account_id = v.a AND i.key_id = v.b AND i.token = v.c AND i.request_id = v.d",
    )
    RAISE_USAGE: Final = _bulk(
        f"INSERT INTO usage ({', '.join(_USAGE)}) SELECT * FROM", _USAGE, f"ORDER BY 1, 2 {_RAISE_USAGE}"
    )
    INSERT_RUNS: Final = _bulk(f"INSERT INTO runs ({', '.join(_RUN)}) SELECT * FROM", _RUN, "ORDER BY 1, 2")
    CHANGE_RUNS: Final = _bulk(
        f"UPDATE runs r SET {', '.join(f'{name} = v.{name}' for name in _RUN_CHANGES)} FROM",
        _RUN,
        f"AS v({', '.join(_RUN)}) WHERE r.account_id = v.account_id AND r.run_id = v.run_id",
    )
    LOCK_STARTS: Final = _bulk(
        f"{_READ_STARTS} FROM",
        _TRIPLE,
        "AS v(a, b, c) JOIN run_starts s ON s.account_id = v.a AND s.key_id = v.b AND s.action = v.c "
        "ORDER BY s.account_id, s.key_id, s.action FOR UPDATE OF s",
    )
    # A row is changed where it still is as it was read. One that is not, and a new one, is inserted: where another
    # process has counted meanwhile, the key of the table refuses that.
    SAVE_STARTS: Final = _bulk(
        f"WITH v({', '.join(_COUNTED)}) AS (SELECT * FROM",
        _COUNTED,
        "), changed AS (UPDATE run_starts s SET since = v.since, begun = v.begun FROM v "
        "WHERE s.account_id = v.account_id AND s.key_id = v.key_id AND s.action = v.action "
        "AND s.since = v.since_read AND s.begun = v.begun_read RETURNING s.account_id, s.key_id, s.action) "
        f"INSERT INTO run_starts ({', '.join(_START)}) SELECT {', '.join(_START)} FROM v WHERE NOT EXISTS "
        "(SELECT FROM changed c WHERE c.account_id = v.account_id AND c.key_id = v.key_id AND c.action = v.action) "
        "ORDER BY 1, 2, 3",
    )
    INSERT_TOKENS: Final = _bulk(
        f"INSERT INTO idempotency ({', '.join(_TOKEN)}) SELECT * FROM", _TOKEN, "ORDER BY 1, 2, 3"
    )
    INSERT_DECISIONS: Final = _bulk(f"INSERT INTO decisions ({', '.join(_DECISION)}) SELECT * FROM", _DECISION)
