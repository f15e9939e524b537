"""A real ledger on a database of its own, for tests beside the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from stage0.engine import Engine
from stage0.engine.job import Answered, Asked, Body, CheckJob
from stage0.ledger import open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.catalogue import shipped_catalogue
from stage0.ledger.idempotency import token_of
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, Status, create_key, set_key_status
from stage0.ledger.migrate import migrate
from stage0.ledger.records import add_outcome
from stage0.ledger.schema import decisions, events
from stage0.ledger.sqlite import SqliteStore
from stage0.ledger.store import Store
from stage0.ledger.usage import read_counters
from stage0.wire import Outcome, encode
from tests.catalogue import CATALOGUE
from tests.deciding import request_of

T = TypeVar("T")
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
        account = create_account(
            connection, CATALOGUE, name=f"account-{time.monotonic_ns()}", plan=plan, actor="t", now=now
        )
        return create_key(connection, CATALOGUE, Keyring([ROOT]), account=account.id, actor="t", now=now, **more)


def put(store: Store, key: Key, status: Status) -> None:
    """Change a key's status, as another process would."""
    with store.writer.begin() as connection:
        set_key_status(connection, CATALOGUE, key.id, status, actor="t", now=time.time())


def again(store: Store) -> Store:
    """Another way into the same database, as another process has it."""
    return open_store(store.where() if store.shared else f"sqlite:///{store.where()}")


@asynccontextmanager
async def opened(
    store: Store, *, capacity: int = 1000, deadline: float = 10, clock: Callable[[], float] = time.time
) -> AsyncIterator[Engine]:
    """An open ledger on a migrated database."""
    engine = Engine(
        again(store),
        Keyring([ROOT]),
        shipped_catalogue(),
        clock=clock,
        engine_version="test",
        capacity=capacity,
        deadline=deadline,
    )
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def check(engine: Engine, key: Key, *, token: str = "", **fields: Any) -> asyncio.Future[Answered]:
    """Submit a check; `token` is its `Idempotency-Key`. Gives the future of its answer."""
    request = request_of(**fields)
    sent = encode(request)
    return engine.check(
        CheckJob(
            Asked(
                key,
                Body(request, secrets=False),
                token=token_of(token, sent, engine.keyring.body_hashes) if token else None,
            )
        )
    )


def recorded(store: Store) -> set[str]:
    """The ids of all decisions, read on a connection of its own."""
    with store.reader.connect() as connection:
        return set(connection.execute(sa.select(decisions.c.id)).scalars())


def events_of(store: Store, account: str) -> list[Any]:
    """The events of an account, oldest first."""
    with store.reader.connect() as connection:
        return list(connection.execute(sa.select(events).where(events.c.account_id == account).order_by(events.c.id)))


class Clock:
    """A clock that stands until it is moved. Unix seconds."""

    def __init__(self, at: str | float = "2026-03-16T10:00:30+00:00") -> None:
        self.now = datetime.fromisoformat(at).timestamp() if isinstance(at, str) else at

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        """Go on by so many seconds."""
        self.now += seconds

    def set(self, at: str) -> None:
        """Go to a moment, RFC 3339."""
        self.now = datetime.fromisoformat(at).timestamp()


class Running:
    """An open ledger on an event loop of its own, driven step by step. A context manager."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._opened = opened(store, clock=clock)
        self.clock = clock

    def __enter__(self) -> Running:
        self.engine = self.run(self._stack.enter_async_context(self._opened))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    def check(self, key: Key, *, token: str = "", **fields: Any) -> dict[str, Any]:
        """One check: its answer. Raises what the check raises."""

        async def run() -> Answered:
            return await check(self.engine, key, token=token, **fields)

        answer: dict[str, Any] = json.loads(self.run(run()).body)
        return answer

    def at_once(self, *checks: tuple[Key, dict[str, Any]]) -> list[dict[str, Any] | BaseException]:
        """Checks that arrive at the same moment: their answers, or what they raise."""

        async def run() -> list[Any]:
            futures = [check(self.engine, key, **fields) for key, fields in checks]
            return await asyncio.gather(*futures, return_exceptions=True)

        return [each if isinstance(each, BaseException) else json.loads(each.body) for each in self.run(run())]

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Another write."""

        async def run() -> T:
            return await self.engine.write(work)

        return self.run(run())

    def report(self, key: Key, request_id: str, status: str = "executed", cost_usd: float | None = None) -> None:
        """Report an outcome."""
        outcome = msgspec.convert({"status": status, "cost_usd": cost_usd}, Outcome)
        now = self.clock()
        self.write(lambda connection: add_outcome(connection, key, request_id, outcome, now=now, own=True))

    def used(self, key: Key) -> list[tuple[int, int, int]]:
        """What each holder of a key has used: month, day, minute."""
        with self.engine.store.reader.connect() as connection:
            shares = read_counters(connection, key.account, key.holders, self.clock())
        return [(counter.month_used, counter.day_used, counter.minute_used) for counter, _ in shares]

    def events(self, action: str) -> list[dict[str, Any]]:
        """The data of an action's events, oldest first, each with its `target`."""
        with self.engine.store.reader.connect() as connection:
            rows = connection.execute(sa.select(events).where(events.c.action == action).order_by(events.c.id))
            return [{"target": row.target, **json.loads(row.data)} for row in rows]
