"""Roots of the work tree that a key works in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keys that there are have none."""
    op.add_column("api_keys", sa.Column("workspace", sa.Text, nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    """Forget them."""
    with op.batch_alter_table("api_keys") as table:
        table.drop_column("workspace")
