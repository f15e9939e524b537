"""The tables. Every key leads with the account, so that they shard as they are. Times are Unix microseconds."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

#: An identifier that is compared: byte by byte on every database, so that later ids sort after earlier ones.
Id: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

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
    sa.Column("retention_days", sa.Integer, nullable=False, server_default="180"),
    # Limits that an operator has set; null is the plan's.
    sa.Column("per_month", sa.BigInteger, nullable=True),
    sa.Column("per_day", sa.BigInteger, nullable=True),
    sa.Column("per_minute", sa.BigInteger, nullable=True),
    sa.UniqueConstraint("name", name="accounts_name"),
)

# Keys that share one envelope. A null limit is the account's.
usage_groups = sa.Table(
    "usage_groups",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("per_month", sa.BigInteger, nullable=True),
    sa.Column("per_day", sa.BigInteger, nullable=True),
    sa.Column("per_minute", sa.BigInteger, nullable=True),
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
    # Whose usage it counts: its own id, or that of the key which it replaced.
    sa.Column("holder", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("usage_group", sa.Text, nullable=True),
    sa.Column("per_month", sa.BigInteger, nullable=True),
    sa.Column("per_day", sa.BigInteger, nullable=True),
    sa.Column("per_minute", sa.BigInteger, nullable=True),
    sa.Column("enforcement", sa.Text, nullable=False, server_default="enforce"),
    sa.Column("agent", sa.Text, nullable=False, server_default=sa.text("''")),
    # The roots of the work tree that it works in, as a JSON list.
    sa.Column("workspace", sa.Text, nullable=False, server_default=sa.text("'[]'")),
    sa.UniqueConstraint("hash", name="api_keys_hash"),
)

# What the kill switch has stopped: an account, a key or an agent by its name.
stops = sa.Table(
    "stops",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

# What a key (its id) or a usage group (`group:` and its name) has used in the windows that are running, as numbers of
# UTC months, days and minutes. The table itself refuses a count over its limit, whoever writes it.
usage = sa.Table(
    "usage",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("holder", Id, primary_key=True),
    sa.Column("month", sa.BigInteger, nullable=False),
    sa.Column("month_used", sa.BigInteger, nullable=False),
    sa.Column("month_limit", sa.BigInteger, nullable=False),
    sa.Column("month_warned", sa.Integer, nullable=False),
    sa.Column("day", sa.BigInteger, nullable=False),
    sa.Column("day_used", sa.BigInteger, nullable=False),
    sa.Column("day_limit", sa.BigInteger, nullable=False),
    sa.Column("day_warned", sa.Integer, nullable=False),
    sa.Column("minute", sa.BigInteger, nullable=False),
    sa.Column("minute_used", sa.BigInteger, nullable=False),
    sa.Column("minute_limit", sa.BigInteger, nullable=False),
    sa.CheckConstraint(
        "month_used <= month_limit AND day_used <= day_limit AND minute_used <= minute_limit",
        name="usage_within_limits",
    ),
    sqlite_with_rowid=False,
)

# One agent run by its `run_id`. `waiting_since` is set while its last action waits for an approval; `waited` is the sum
# of such waits that are over, in microseconds; `recent` is JSON: tools and actions of the last ALLOWs.
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("run_id", Id, primary_key=True),
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
    sa.Index("runs_started", "account_id", "started_at"),
    sqlite_with_rowid=False,
)

# How many runs a key began with one action since a moment, for an hour from then on.
run_starts = sa.Table(
    "run_starts",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("key_id", Id, primary_key=True),
    sa.Column("action", Id, primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("begun", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# `Idempotency-Key` (hashed) to the record that answered it first; `body` is a keyed hash of what was sent.
idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("key_id", Id, primary_key=True),
    sa.Column("token", Id, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("idempotency_created", "account_id", "created_at"),
    sqlite_with_rowid=False,
)

# `record` holds what is needed to decide again; the columns beside it are for finding it. On PostgreSQL it is
# partitioned by month: ids begin with their time, so a range of ids is a range of time.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("id", Id, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("run_id", Id, nullable=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("risk_score", sa.Integer, nullable=False),
    sa.Column("codes", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("task_hash", sa.Text, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Index(
        "decisions_run",
        "account_id",
        "run_id",
        "id",
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (id)",
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("request_id", Id, primary_key=True),
    sa.Column("id", Id, primary_key=True),
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

# Versions of packs that an account has pushed; none ever changes. `content` is the pack with all that it has from its
# parents, `source` the files as they were pushed (JSON), `suite` what running its cases showed (JSON).
policy_packs = sa.Table(
    "policy_packs",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("suite", sa.Text, nullable=False),
)

# The pack (`name@version`) that decides for an account's keys, by the environment that a key is bound to (empty: for
# all others), and the candidate that decides beside it.
policy_active = sa.Table(
    "policy_active",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("pack", sa.Text, nullable=False),
    sa.Column("shadow", sa.Text, nullable=False),
)

# Every activation, by its number of the account, from 1. One that was rolled back is `undone`.
policy_activations = sa.Table(
    "policy_activations",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("id", Id, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("pack", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("undone", sa.Integer, nullable=False),
)
