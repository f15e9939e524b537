"""A preview in a process of its own, so that no check waits for it: `python -m stage0.ledger.replay_process` takes a
ReplayJob as JSON on standard input, and puts Replayed or ReplayRefused as JSON on standard output."""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec

from stage0.ledger.catalogue import shipped_catalogue
from stage0.ledger.errors import LedgerError, Refused
from stage0.ledger.export import Wanted
from stage0.ledger.migrate import assert_current
from stage0.ledger.packs import usable_pack
from stage0.ledger.replay import preview
from stage0.ledger.stores import open_store


class ReplayJob(msgspec.Struct, frozen=True):
    """Which records to decide again (from `since` in Unix seconds until now, no more than `at_most`) under which pack.
    The address of the database may hold a password: it is never an argument of a command."""

    database_url: str
    account: str
    pack: str
    since: float
    at_most: int


class Replayed(msgspec.Struct, frozen=True, tag=True):
    """A preview as JSON."""

    preview: dict[str, Any]


class ReplayRefused(msgspec.Struct, frozen=True, tag=True):
    """Why there is none."""

    error: str


def replay(job: ReplayJob) -> Replayed | ReplayRefused:
    """Decide stored records again."""
    try:
        store = open_store(job.database_url)
        if not store.exists():
            raise Refused(f"there is no database at `{store.where()}`")
        try:
            assert_current(store.reader)
            with store.reader.connect() as connection:
                pack = usable_pack(connection, shipped_catalogue(), job.account, job.pack)
            wanted = Wanted(job.account, job.since, time.time())
            found = preview(store.reader, wanted, pack, at_most=job.at_most, tick=lambda seen: None)
        finally:
            store.close()
    except LedgerError as error:
        return ReplayRefused(str(error))
    return Replayed(found.plain())


def main() -> None:
    """Do the one job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=ReplayJob)
    sys.stdout.buffer.write(msgspec.json.encode(replay(job)))


if __name__ == "__main__":
    main()
