"""Accounts and their plans."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import sqlalchemy as sa

from stage0.ledger.errors import NotFound, Refused
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.ids import new_id
from stage0.ledger.schema import accounts
from stage0.policy import PLANS


class Account(msgspec.Struct, frozen=True):
    """An account. `created_at` is Unix microseconds."""

    id: str
    name: str
    plan: str
    timezone: str
    created_at: int


def create_account(
    connection: sa.Connection, *, name: str, plan: str, actor: str, now: float, timezone: str = "UTC"
) -> Account:
    """Create an account. Raises Refused where the name is taken, or the plan or time zone does not exist."""
    _check_plan(plan)
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


def change_plan(connection: sa.Connection, *, account: str, plan: str, actor: str, now: float) -> None:
    """Put an account on another plan. Raises NotFound or Refused."""
    _check_plan(plan)
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


def _check_plan(plan: str) -> None:
    if plan not in PLANS:
        raise Refused(f"there is no plan `{plan}`; plans are {', '.join(sorted(PLANS))}")


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Refused(f"there is no time zone `{timezone}`; use an IANA name such as `Europe/Berlin`") from None
