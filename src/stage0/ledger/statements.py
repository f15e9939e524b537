"""The statements on the way of a check, written by hand. Everything else goes through SQLAlchemy Core."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

READ_EPOCH: Final = "SELECT epoch FROM config WHERE id = 1"

#: The columns of a decision, in the order of the rows that `batch` makes.
_DECISION: Final = (
    "account_id",
    "id",
    "created_at",
    "key_id",
    "run_id",
    "verdict",
    "risk_score",
    "codes",
    "policy",
    "task_hash",
    "record",
)


@lru_cache(maxsize=512)
def insert_decisions(count: int) -> str:
    """One statement for a whole batch."""
    row = f"({', '.join('?' * len(_DECISION))})"
    return f"INSERT INTO decisions ({', '.join(_DECISION)}) VALUES {', '.join([row] * count)}"  # noqa: S608 -- no input
