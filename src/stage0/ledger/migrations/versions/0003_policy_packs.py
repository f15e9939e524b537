"""Packs that accounts push, which of them decides, and keys that follow their account's pack."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables. A key under the default pack follows its account's from now on."""
    op.create_table(
        "policy_packs",
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
    op.create_table(
        "policy_active",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("environment", sa.Text, primary_key=True),
        sa.Column("pack", sa.Text, nullable=False),
        sa.Column("shadow", sa.Text, nullable=False),
    )
    op.create_table(
        "policy_activations",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("id", _ID, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("pack", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("undone", sa.Integer, nullable=False),
    )
    op.execute("UPDATE api_keys SET pack = '' WHERE pack = 'stage0-default'")


def downgrade() -> None:
    """Drop them. Keys that followed their account are under the default pack again."""
    op.execute("UPDATE api_keys SET pack = 'stage0-default' WHERE pack = '' OR pack LIKE '%@%'")
    for table in ("policy_activations", "policy_active", "policy_packs"):
        op.drop_table(table)
