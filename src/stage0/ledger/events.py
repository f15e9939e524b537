"""The event table: who did what when."""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from stage0.ledger.ids import new_id
from stage0.ledger.schema import config, events

#: As many as a column of eight bytes holds.
_EPOCH_BITS: Final = 63


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
    """Say to every process that keys, accounts, stops or packs have changed; they notice with their next batch.

    An epoch names one state and is never used again: it is random. A counter would come back after a commit that
    failed, or a database that was set back, and with it what a process had kept under that number."""
    connection.execute(config.update().where(config.c.id == 1).values(epoch=secrets.randbits(_EPOCH_BITS)))
