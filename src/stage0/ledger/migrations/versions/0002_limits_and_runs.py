"""Limits and usage, runs, idempotency, the kill switch, retention; PostgreSQL with records partitioned by month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_LIMITS = ("per_month", "per_day", "per_minute")


def upgrade() -> None:
    """Add the columns and tables."""
    op.add_column("accounts", sa.Column("retention_days", sa.Integer, nullable=False, server_default="180"))
    for table in ("accounts", "api_keys"):
        for column in _LIMITS:
            op.add_column(table, sa.Column(column, sa.BigInteger, nullable=True))
    op.add_column("api_keys", sa.Column("holder", sa.Text, nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE api_keys SET holder = id")
    op.add_column("api_keys", sa.Column("usage_group", sa.Text, nullable=True))
    op.add_column("api_keys", sa.Column("enforcement", sa.Text, nullable=False, server_default="enforce"))
    op.add_column("api_keys", sa.Column("agent", sa.Text, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "usage_groups",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        *[sa.Column(column, sa.BigInteger, nullable=True) for column in _LIMITS],
    )
    op.create_table(
        "stops",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    _usage()
    _runs()
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("key_id", _ID, primary_key=True),
        sa.Column("token", _ID, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_created", "idempotency", ["account_id", "created_at"])
    if op.get_context().dialect.name == "postgresql":
        _postgresql()
    op.create_index(
        "decisions_run",
        "decisions",
        ["account_id", "run_id", "id"],
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )


def _usage() -> None:
    windows = []
    for window in ("month", "day", "minute"):
        windows.append(sa.Column(window, sa.BigInteger, nullable=False))
        windows.append(sa.Column(f"{window}_used", sa.BigInteger, nullable=False))
        windows.append(sa.Column(f"{window}_limit", sa.BigInteger, nullable=False))
        if window != "minute":
            windows.append(sa.Column(f"{window}_warned", sa.Integer, nullable=False))
    op.create_table(
        "usage",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("holder", _ID, primary_key=True),
        *windows,
        sa.CheckConstraint(
            "month_used <= month_limit AND day_used <= day_limit AND minute_used <= minute_limit",
            name="usage_within_limits",
        ),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": "50"},
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("run_id", _ID, primary_key=True),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("allows", sa.BigInteger, nullable=False),
        sa.Column("denies", sa.BigInteger, nullable=False),
        sa.Column("defers", sa.BigInteger, nullable=False),
        sa.Column("retries", sa.BigInteger, nullable=False),
        sa.Column("last_action", sa.Text, nullable=False),
        sa.Column("waiting_since", sa.BigInteger, nullable=True),
        sa.Column("waited", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("recent", sa.Text, nullable=False),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("runs_started", "runs", ["account_id", "started_at"])
    op.create_table(
        "run_starts",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("key_id", _ID, primary_key=True),
        sa.Column("action", _ID, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _postgresql() -> None:
    """Ids compare byte by byte, and records are partitioned. No PostgreSQL was ever served at revision 0001, so that
    there is nothing in the table that this replaces. The store makes the partitions."""
    op.drop_table("decisions")
    op.create_table(
        "decisions",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text(collation="C"), primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text(collation="C"), nullable=True),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("risk_score", sa.Integer, nullable=False),
        sa.Column("codes", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("task_hash", sa.Text, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (id)",
    )
    for column in ("request_id", "id"):
        op.alter_column("outcomes", column, type_=sa.Text(collation="C"))


def downgrade() -> None:
    """Drop what was added. On PostgreSQL, which was not served before, the records go with it."""
    op.drop_index("decisions_run", "decisions")
    for table in ("idempotency", "run_starts", "runs", "usage", "stops", "usage_groups"):
        op.drop_table(table)
    with op.batch_alter_table("api_keys") as keys:
        for column in (*_LIMITS, "holder", "usage_group", "enforcement", "agent"):
            keys.drop_column(column)
    with op.batch_alter_table("accounts") as accounts:
        for column in (*_LIMITS, "retention_days"):
            accounts.drop_column(column)
