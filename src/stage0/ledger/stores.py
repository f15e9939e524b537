"""The store that an address names."""

from __future__ import annotations

from pathlib import Path

from stage0.ledger.errors import Refused
from stage0.ledger.postgres import PostgresStore
from stage0.ledger.sqlite import SqliteStore
from stage0.ledger.store import Store


def open_store(url: str) -> Store:
    """The store that a database URL names. Raises Refused."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return SqliteStore(Path(rest[1:]))
    if scheme in ("postgresql", "postgres"):
        return PostgresStore(f"postgresql://{rest}")
    raise Refused(
        f"STAGE0_DATABASE_URL `{_without_password(url)}` is not understood; use `sqlite:///path/to/file.db` or "
        "`postgresql://USER:PASSWORD@HOST/DATABASE`"
    )


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at else url
