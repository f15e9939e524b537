"""The event table: who did what when."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from stage0.ledger.ids import new_id
from stage0.ledger.schema import config, events


def record_event(
    connection: sa.Connection, *, account: str, actor: str, action: str, target: str, now: float, **data: Any
) -> None:
    """Write one event. `actor` is `key:<id>`, `cli:<user>` or `system`."""
    connection.execute(
        events.insert().values(
            account_id=account,
            id=new_id("evt", now),
            at=int(now * 1e6),
            actor=actor,
            action=action,
            target=target,
            data=msgspec.json.encode(data).decode(),
        )
    )


def raise_epoch(connection: sa.Connection) -> None:
    """Say to every process that keys, accounts or packs have changed; they notice with their next batch."""
    connection.execute(config.update().where(config.c.id == 1).values(epoch=config.c.epoch + 1))
