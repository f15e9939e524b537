"""A real ledger on a database of its own, for tests beside the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stage0.ledger import Ledger, open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.batch import Answered, CheckJob
from stage0.ledger.idempotency import token_of
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, Status, create_key, set_key_status
from stage0.ledger.migrate import migrate
from stage0.ledger.schema import decisions
from stage0.ledger.sqlite import SqliteStore
from stage0.ledger.store import Store
from stage0.policy import shipped_packs
from stage0.wire import encode
from tests.deciding import request_of

ROOT = "root-key-of-the-ledger-tests-000001"


def migrated(path: Path) -> SqliteStore:
    """A store on a new file with this version's tables."""
    store = SqliteStore(path)
    store.create()
    migrate(store.writer)
    return store


def add_key(store: Store, *, plan: str = "enterprise", **more: Any) -> tuple[Key, str]:
    """A key of a new account."""
    now = time.time()
    with store.writer.begin() as connection:
        account = create_account(connection, name=f"account-{time.monotonic_ns()}", plan=plan, actor="t", now=now)
        return create_key(connection, Keyring([ROOT]), account=account.id, actor="t", now=now, **more)


def put(store: Store, key: Key, status: Status) -> None:
    """Change a key's status, as another process would."""
    with store.writer.begin() as connection:
        set_key_status(connection, key.id, status, actor="t", now=time.time())


def again(store: Store) -> Store:
    """Another way into the same database, as another process has it."""
    return open_store(store.where() if store.shared else f"sqlite:///{store.where()}")


@asynccontextmanager
async def opened(
    store: Store, *, capacity: int = 1000, deadline: float = 10, clock: Callable[[], float] = time.time
) -> AsyncIterator[Ledger]:
    """An open ledger on a migrated database."""
    ledger = Ledger(
        again(store),
        Keyring([ROOT]),
        shipped_packs(),
        clock=clock,
        engine_version="test",
        capacity=capacity,
        deadline=deadline,
    )
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


def check(ledger: Ledger, key: Key, *, token: str = "", **fields: Any) -> asyncio.Future[Answered]:
    """Submit a check; `token` is its `Idempotency-Key`. Gives the future of its answer."""
    request = request_of(**fields)
    sent = encode(request)
    return ledger.check(
        CheckJob(
            key,
            request,
            ledger.packs["stage0-default"],
            None,
            token=token_of(token, sent, ledger.keyring.body_hashes) if token else None,
        )
    )


def recorded(store: Store) -> set[str]:
    """The ids of all decisions, read on a connection of its own."""
    with store.reader.connect() as connection:
        return set(connection.execute(sa.select(decisions.c.id)).scalars())
