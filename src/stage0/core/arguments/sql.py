"""SQL: what a statement would do, from its syntax tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stage0.core.arguments.reading import TEXT_LIMIT, UNREAD, ArgumentReading, whole

_EFFECTS: Final[tuple[tuple[type[exp.Expr], tuple[str, ...]], ...]] = (
    (exp.Insert, ("write",)),
    (exp.Update, ("overwrite",)),
    (exp.Merge, ("overwrite",)),
    (exp.Delete, ("delete",)),
    (exp.TruncateTable, ("delete", "bulk")),
    (exp.Drop, ("delete", "schema_change")),
    (exp.Create, ("schema_change",)),
    (exp.Alter, ("schema_change",)),
    (exp.Grant, ("access_change",)),
    (exp.Revoke, ("access_change",)),
    (exp.Copy, ("export",)),
    (exp.Into, ("write",)),
    (exp.Set, ("config_change",)),
    (exp.Kill, ("service_impact",)),
)
_READS: Final = (exp.Select, exp.SetOperation, exp.Describe, exp.Show, exp.Use, exp.Values, exp.Subquery)
_FRAMES: Final = (exp.Transaction, exp.Commit, exp.Rollback)
#: Functions that act although they stand in a SELECT.
_ACTING_FUNCTIONS: Final = {
    "pg_terminate_backend": "service_impact",
    "pg_cancel_backend": "service_impact",
    "pg_read_file": "secret_access",
    "lo_export": "export",
    "dblink_exec": "code_execution",
    "xp_cmdshell": "code_execution",
    "sys_exec": "code_execution",
    "load_extension": "code_execution",
    "setval": "overwrite",
    "set_config": "config_change",
}


def read_sql(text: str, dialect: str | None = None) -> ArgumentReading:
    """The effects of every statement in a text. Unread where it does not parse or is too long."""
    if len(text) > TEXT_LIMIT:
        return UNREAD
    try:
        statements = [statement for statement in sqlglot.parse(text, dialect=dialect) if statement is not None]
        effects = dict.fromkeys(effect for statement in statements for effect in _statement_effects(statement))
    except (SqlglotError, RecursionError):
        return UNREAD
    if not effects or "unknown" in effects:
        return UNREAD
    return whole(text, *effects)


def _statement_effects(statement: exp.Expr) -> Iterator[str]:
    if isinstance(statement, _FRAMES):
        yield "compute"
        return
    understood = isinstance(statement, _READS)
    if understood:
        yield "read"
    for node in statement.walk():
        for kind, effects in _EFFECTS:
            if isinstance(node, kind):
                understood = True
                yield from effects
        if isinstance(node, (exp.Update, exp.Delete)) and node.args.get("where") is None:
            yield "bulk"
        if isinstance(node, exp.Func):
            acting = _ACTING_FUNCTIONS.get(node.name.lower() if isinstance(node, exp.Anonymous) else node.key)
            if acting:
                yield acting
    if not understood:
        yield "unknown"
