"""The statements on the way of a check, written by hand. Everything else goes through SQLAlchemy Core."""

from __future__ import annotations

from typing import Final

READ_EPOCH: Final = "SELECT epoch FROM config WHERE id = 1"

#: The columns of a decision, in the order of `batch.Row`.
INSERT_DECISION: Final = (
    "INSERT INTO decisions (account_id, id, created_at, key_id, run_id, verdict, risk_score, codes, policy, task_hash,"
    " record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
