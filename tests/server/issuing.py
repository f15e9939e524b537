"""Accounts and keys of a running server, made beside it as the command line does, without a process for each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa

from stage0.ledger import open_store
from stage0.ledger.accounts import change_limits, change_plan, create_account, find_account
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Status, create_key, rotate_key, set_key_status
from stage0.ledger.schema import usage
from stage0.ledger.usage import Limits
from tests.catalogue import CATALOGUE
from tests.running import Server

ACTOR = "cli:tests"


class Issued(msgspec.Struct, frozen=True):
    """A key: its id, its text, and the name of its account."""

    id: str
    text: str
    account: str


@contextmanager
def database(server: Server) -> Iterator[tuple[sa.Connection, Keyring, float]]:
    """A transaction on the running server's database, with its keyring and the time."""
    store = open_store(f"sqlite:///{server.database}")
    try:
        with store.writer.begin() as connection:
            secret = (server.database.parent / "secret").read_text(encoding="utf-8").strip()
            yield connection, Keyring([secret]), time.time()
    finally:
        store.close()


def new_account(server: Server, plan: str) -> str:
    """A new account on a plan. Gives its name."""
    name = f"{plan}-{secrets.token_hex(4)}"
    with database(server) as (connection, _, now):
        create_account(connection, CATALOGUE, name=name, plan=plan, actor=ACTOR, now=now)
    return name


def new_key(server: Server, *scopes: str, plan: str = "", account: str = "dev", **more: Any) -> Issued:
    """A key with scopes (`check` where none is given), of an account, or of a new account on a plan."""
    account = new_account(server, plan) if plan else account
    with database(server) as (connection, keyring, now):
        found = find_account(connection, account)
        key, text = create_key(
            connection, CATALOGUE, keyring, account=found.id, actor=ACTOR, now=now, scopes=scopes or ("check",), **more
        )
    return Issued(key.id, text, account)


def put(server: Server, key: Issued, status: Status) -> None:
    """Change a key's status."""
    with database(server) as (connection, _, now):
        set_key_status(connection, CATALOGUE, key.id, status, actor=ACTOR, now=now)


def rotate(server: Server, key: Issued, grace: float = 0) -> Issued:
    """Rotate a key. Gives the new one."""
    with database(server) as (connection, keyring, now):
        new, text = rotate_key(connection, CATALOGUE, keyring, key.id, actor=ACTOR, now=now, grace_seconds=grace)
    return Issued(new.id, text, key.account)


def move(server: Server, account: str, plan: str) -> None:
    """Put an account on another plan."""
    with database(server) as (connection, _, now):
        change_plan(connection, CATALOGUE, account=account, plan=plan, actor=ACTOR, now=now)


def limit(server: Server, account: str, limits: Limits) -> None:
    """Give an account limits of its own."""
    with database(server) as (connection, _, now):
        change_limits(connection, account=account, limits=limits, actor=ACTOR, now=now)


def spend(server: Server, key: Issued, **used: int) -> None:
    """Say that a key has used so many checks: `month_used`, `day_used`, `minute_used`. It has to have used one."""
    with database(server) as (connection, _, _now):
        changed = connection.execute(usage.update().where(usage.c.holder == key.id).values(**used))
        assert changed.rowcount == 1


def within_a_minute(seconds: float = 5) -> None:
    """Wait, where less than these seconds are left of the minute: counts of the next one begin at 0."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.05)
