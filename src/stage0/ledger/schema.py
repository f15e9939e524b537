"""The tables. Every key leads with the account, so that they shard as they are. Times are Unix microseconds."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

# One row: raised by every change of keys, accounts or packs, and read by every batch.
config = sa.Table(
    "config",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("timezone", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("name", name="accounts_name"),
)

# `hash` is a keyed hash; the key itself is shown once and never stored. Lists are JSON texts.
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("environments", sa.Text, nullable=False),
    sa.Column("pack", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=True),
    sa.UniqueConstraint("hash", name="api_keys_hash"),
)

# `record` holds what is needed to decide again; the columns beside it are for finding it.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("risk_score", sa.Integer, nullable=False),
    sa.Column("codes", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("task_hash", sa.Text, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("cost_usd", sa.Float, nullable=True),
)

# Who did what when: every row that a person or a key causes names its actor here.
events = sa.Table(
    "events",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)
