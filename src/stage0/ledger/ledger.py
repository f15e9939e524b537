"""The ledger as the server sees it: look up a key, record a check, read records. All durable state is behind it."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from stage0.core.decide import Prepared
from stage0.core.pack import Pack
from stage0.ledger.batch import CheckJob, WriteJob, Writer
from stage0.ledger.errors import Refused, StoreUnavailable
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, key_by_text
from stage0.ledger.migrate import assert_current
from stage0.ledger.sqlite import SqliteStore

T = TypeVar("T")
_JANITOR_SECONDS: Final = 0.25
_KEY_CACHE: Final = 20_000


class Ledger:
    """One server process's access to all durable state."""

    def __init__(
        self,
        store: SqliteStore,
        keyring: Keyring,
        packs: Mapping[str, Pack],
        *,
        clock: Callable[[], float],
        engine_version: str,
        capacity: int,
        deadline: float,
    ) -> None:
        self.store = store
        self.keyring = keyring
        self.packs = packs
        self.clock = clock
        self._deadline = deadline
        self._writer = Writer(
            store,
            clock=clock,
            fingerprint=keyring.fingerprint,
            engine_version=engine_version,
            capacity=capacity,
            deadline=deadline,
        )
        # Kept keys stand under a hash of their own, which is quicker than the stored one and ends with the process.
        self._cache_key = os.urandom(32)
        self._keys: dict[bytes, Key] = {}
        self._keys_epoch = -1
        self._janitor: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Claim the store and start the writer. Raises Refused where the store is not fit for use."""
        self.store.check_in_place()
        assert_current(self.store.reader)
        self.store.claim()
        self._writer.start()
        self._janitor = asyncio.create_task(self._tidy())

    async def close(self) -> None:
        """Commit what is queued, then let go of everything."""
        if self._janitor is not None:
            self._janitor.cancel()
        await self._writer.close()
        await asyncio.to_thread(self.store.close)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_JANITOR_SECONDS)
            self._writer.expire()

    async def key(self, text: str, *, fresh: bool = False) -> Key | None:
        """The key with this text; None where there is none.

        A check may use a kept one, since its batch looks again; everything else asks for a `fresh` one."""
        if fresh:
            return await self.read(lambda connection: key_by_text(connection, self.keyring, text))
        if self._keys_epoch != self._writer.epoch or len(self._keys) > _KEY_CACHE:
            self._keys, self._keys_epoch = {}, self._writer.epoch
        identity = hashlib.blake2b(text.encode(), digest_size=16, key=self._cache_key).digest()
        key = self._keys.get(identity)
        if key is None:
            key = await self.read(lambda connection: key_by_text(connection, self.keyring, text))
            # Only a key that works is kept: whoever is refused is looked up anew each time.
            if key is not None and key.status == "active":
                self._keys[identity] = key
        return key

    def check(
        self,
        key: Key,
        prepared: Prepared,
        pack: Pack,
        *,
        sent_request_id: str = "",
        raw: Any = None,
    ) -> asyncio.Future[tuple[str, bytes]]:
        """Decide and record. Gives the request id and the answer's JSON once the record is durable.

        Raises Overloaded; the future raises KeyRefused, Overloaded or StoreUnavailable."""
        return self._writer.submit(CheckJob(key, prepared, pack, sent_request_id, raw))

    def write(self, work: Callable[[sa.Connection], T]) -> asyncio.Future[T]:
        """Run a write in the next batch, all of it or nothing."""
        return self._writer.submit(WriteJob(work))

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a read on a connection of its own, beside the writer. Raises StoreUnavailable."""
        return await asyncio.to_thread(self._read, work)

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self.store.reader.connect() as connection, connection.begin():
                return work(connection)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise StoreUnavailable(str(error).partition("\n")[0]) from error

    async def healthy(self) -> bool:
        """Whether a check could be recorded now: the file is in place, readable, and the last batch went well."""
        try:
            await self.read(lambda connection: connection.exec_driver_sql("SELECT epoch FROM config").scalar_one())
            await asyncio.wait_for(asyncio.shield(self.write(lambda connection: None)), self._deadline)
        except Exception:
            return False
        return True


def open_store(url: str) -> SqliteStore:
    """The store that a database URL names. Raises Refused."""
    scheme, _, rest = url.partition(":///")
    if scheme != "sqlite" or not rest:
        raise Refused(
            f"STAGE0_DATABASE_URL `{_without_password(url)}` is not understood; use `sqlite:///path/to/file.db`"
        )
    return SqliteStore(Path(rest))


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at else url
