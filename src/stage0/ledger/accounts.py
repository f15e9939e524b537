"""Accounts and their plans."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import sqlalchemy as sa

from stage0.ledger.catalogue import Catalogue
from stage0.ledger.errors import NotFound, Refused
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.ids import new_id
from stage0.ledger.keys import limit_columns
from stage0.ledger.plans import Plans
from stage0.ledger.schema import accounts
from stage0.ledger.usage import Limits

MAX_RETENTION_DAYS: Final = 36_500


class Account(msgspec.Struct, frozen=True):
    """An account. `created_at` is Unix microseconds; a limit of None is the plan's."""

    id: str
    name: str
    plan: str
    timezone: str
    created_at: int
    retention_days: int = 180
    per_month: int | None = None
    per_day: int | None = None
    per_minute: int | None = None


def create_account(
    connection: sa.Connection,
    catalogue: Catalogue,
    *,
    name: str,
    plan: str,
    actor: str,
    now: float,
    timezone: str = "UTC",
) -> Account:
    """Create an account. Raises Refused where the name is taken, or the plan or time zone does not exist."""
    _check_plan(plan, catalogue.plans)
    _check_zone(timezone)
    name = name.strip()
    if not name:
        raise Refused("an account needs a name")
    if connection.execute(sa.select(accounts.c.id).where(accounts.c.name == name)).first():
        raise Refused(f"there is an account `{name}` already")
    account = Account(new_id("acc", now), name, plan, timezone, int(now * 1e6))
    connection.execute(accounts.insert().values(**msgspec.structs.asdict(account)))
    record_event(
        connection, account=account.id, actor=actor, action="account.created", target=account.id, now=now, plan=plan
    )
    raise_epoch(connection)
    return account


def list_accounts(connection: sa.Connection) -> list[Account]:
    """Every account, oldest first."""
    return [Account(**row._mapping) for row in connection.execute(sa.select(accounts).order_by(accounts.c.id))]


def find_account(connection: sa.Connection, name_or_id: str) -> Account:
    """An account by name or id. Raises NotFound."""
    wanted = sa.or_(accounts.c.id == name_or_id, accounts.c.name == name_or_id)
    row = connection.execute(sa.select(accounts).where(wanted)).first()
    if row is None:
        raise NotFound(f"there is no account `{name_or_id}`; `stage0 account list` shows them")
    return Account(**row._mapping)


def change_plan(
    connection: sa.Connection, catalogue: Catalogue, *, account: str, plan: str, actor: str, now: float
) -> None:
    """Put an account on another plan. Raises NotFound or Refused."""
    _check_plan(plan, catalogue.plans)
    found = find_account(connection, account)
    connection.execute(accounts.update().where(accounts.c.id == found.id).values(plan=plan))
    record_event(
        connection,
        account=found.id,
        actor=actor,
        action="account.plan",
        target=found.id,
        now=now,
        before=found.plan,
        after=plan,
    )
    raise_epoch(connection)


def change_limits(connection: sa.Connection, *, account: str, limits: Limits, actor: str, now: float) -> None:
    """Set what each key (or group) of an account may use, instead of its plan's. Raises NotFound or Refused."""
    found = find_account(connection, account)
    columns = limit_columns(limits)
    connection.execute(accounts.update().where(accounts.c.id == found.id).values(**columns))
    record_event(
        connection, account=found.id, actor=actor, action="account.limits", target=found.id, now=now, **columns
    )
    raise_epoch(connection)


def change_retention(connection: sa.Connection, *, account: str, days: int, actor: str, now: float) -> None:
    """Set for how many days records are kept. Raises NotFound or Refused."""
    if not 1 <= days <= MAX_RETENTION_DAYS:
        raise Refused(f"records are kept for 1 to {MAX_RETENTION_DAYS} days, not {days}")
    found = find_account(connection, account)
    connection.execute(accounts.update().where(accounts.c.id == found.id).values(retention_days=days))
    record_event(
        connection,
        account=found.id,
        actor=actor,
        action="account.retention",
        target=found.id,
        now=now,
        before=found.retention_days,
        after=days,
    )


def _check_plan(plan: str, plans: Plans) -> None:
    if plan not in plans:
        raise Refused(f"there is no plan `{plan}`; plans are {', '.join(sorted(plans))}")


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Refused(f"there is no time zone `{timezone}`; use an IANA name such as `Europe/Berlin`") from None
