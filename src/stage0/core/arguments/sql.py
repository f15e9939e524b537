"""SQL: what a statement would do, from its syntax tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stage0.core.arguments.reading import TEXT_LIMIT, UNREAD, ArgumentReading, whole
from stage0.core.lexicon import split_words

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
    "dblink": "unknown",
    "query_to_xml": "unknown",
    "sys_eval": "code_execution",
    "load_file": "secret_access",
    "pg_drop_replication_slot": "service_impact",
    "pg_read_binary_file": "secret_access",
    "lo_import": "secret_access",
    "pg_reload_conf": "config_change",
    "pg_switch_wal": "service_impact",
    "set_config": "config_change",
}


_PROGRAM: Final = re.compile(r"\b(?:from|to)\s+program\b", re.IGNORECASE)
_SECRET_COLUMN: Final = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|secrets|api_?key|private_?key|access_?token|refresh_?token"
    r"|rolpassword|authentication_string)(?:_hash)?$",
    re.IGNORECASE,
)
#: A function that nobody here knows and that is named like this may do anything.
_ACTING_WORDS: Final = frozenset(
    [
        "drop",
        "delete",
        "purge",
        "remove",
        "kill",
        "terminate",
        "exec",
        "execute",
        "eval",
        "run",
        "write",
        "create",
        "set",
        "update",
        "insert",
        "truncate",
        "reset",
        "cancel",
        "send",
        "copy",
        "grant",
        "revoke",
    ]
)


def read_sql(text: str, dialect: str | None = None) -> ArgumentReading:
    """The effects of every statement in a text. Unread where it does not parse or is too long."""
    if len(text) > TEXT_LIMIT or "/*!" in text or _PROGRAM.search(text):
        return UNREAD  # MySQL runs what stands in /*! */, and COPY ... PROGRAM runs anything
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
        if isinstance(node, exp.Insert) and (node.args.get("conflict") or node.args.get("overwrite")):
            yield "overwrite"
        if isinstance(node, exp.Column) and _SECRET_COLUMN.search(node.name):
            yield "secret_access"
        if isinstance(node, exp.Func):
            name = node.name.lower() if isinstance(node, exp.Anonymous) else node.key
            if name in _ACTING_FUNCTIONS:
                yield _ACTING_FUNCTIONS[name]
            elif isinstance(node, exp.Anonymous) and not _ACTING_WORDS.isdisjoint(split_words(name)):
                yield "unknown"
    if not understood:
        yield "unknown"
