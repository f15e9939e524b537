"""What a store is: the database behind the ledger, embedded or shared.

A batch of checks is one transaction in three steps: `read` what the decisions rest on, decide in between, `save`
everything and commit. Rows are locked in one order everywhere (runs, usage, starts, then what is inserted), each table
by its key, so that no two batches ever wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec
import sqlalchemy as sa

from stage0.ledger.plans import UNLIMITED
from stage0.ledger.rows import (
    ActiveRow,
    KeyRow,
    NewDecision,
    NewToken,
    NewUsage,
    PackRow,
    RunRow,
    Start,
    StartsRow,
    StopRow,
    TokenRow,
    UsageRow,
)
from stage0.ledger.runs import Run
from stage0.ledger.usage import UsageCounter

T = TypeVar("T")
_NEVER: Final = 1 << 62
#: Account and holder; account and run.
Pair = tuple[str, str]
#: Account, key and action; account, key and token.
Triple = tuple[str, str, str]


class Needs(NamedTuple):
    """What a batch has to read, each sorted; of tokens also the hashes of the bodies that came with them."""

    holders: Sequence[Pair]
    runs: Sequence[Pair]
    starts: Sequence[Triple]
    tokens: Sequence[tuple[str, str, str, str]]


class ConfigRows(NamedTuple):
    """What was in force at an epoch, of some keys and all of their accounts: one state of the database."""

    epoch: int
    keys: Sequence[KeyRow]
    stops: Sequence[StopRow]
    actives: Sequence[ActiveRow]

    @classmethod
    def parse(cls, epoch: int, keys: str, stops: str, actives: str) -> ConfigRows:
        """Rows from the JSON texts in which both databases give them."""
        return cls(epoch, _key_rows(keys), _stop_rows(stops), _active_rows(actives))


_key_rows: Final = msgspec.json.Decoder(list[KeyRow]).decode
_stop_rows: Final = msgspec.json.Decoder(list[StopRow]).decode
_active_rows: Final = msgspec.json.Decoder(list[ActiveRow]).decode


class Found(NamedTuple):
    """What was read: the configuration epoch, and rows by their keys."""

    epoch: int
    usage: Mapping[Pair, UsageRow]
    runs: Mapping[Pair, RunRow]
    starts: Mapping[Triple, StartsRow]
    tokens: Mapping[Triple, TokenRow]


class Rows(NamedTuple):
    """What a batch writes. Counters count what was added to them. `outdated` tokens, each with the record that it was
    bound to, are deleted before: one that is bound to another record meanwhile stays, and clashes."""

    decisions: Sequence[NewDecision]
    counters: Sequence[UsageCounter]
    runs: Sequence[Run]
    starts: Sequence[Start]
    tokens: Sequence[NewToken]
    outdated: Sequence[tuple[str, str, str, str]]


def usage_row(counter: UsageCounter) -> NewUsage:
    """What is added to a holder's row of `usage`."""
    added, limits = counter.added, counter.limits
    return NewUsage(
        account_id=counter.account,
        holder=counter.holder,
        month=counter.month,
        month_used=added,
        month_limit=_bound(limits.month),
        month_warned=0,
        day=counter.day,
        day_used=added,
        day_limit=_bound(limits.day),
        day_warned=0,
        minute=counter.minute,
        minute_used=added,
        minute_limit=_bound(limits.minute),
    )


def _bound(limit: int) -> int:
    """A limit as the table compares it: what is unlimited is never reached."""
    return limit if limit < UNLIMITED else _NEVER


def run_row(run: Run) -> RunRow:
    """A run's row."""
    return RunRow(
        account_id=run.account,
        run_id=run.run_id,
        started_at=run.started_at,
        last_at=run.last_at,
        allows=run.allows,
        denies=run.denies,
        defers=run.defers,
        retries=run.retries,
        last_action=run.last_action,
        waiting_since=run.waiting_since,
        waited=run.waited,
        cost_usd=run.cost_usd,
        recent=run.recent_text(),
    )


class Transaction(Protocol):
    """One open write transaction."""

    async def read(self, needs: Needs, *, lock: bool) -> Found:
        """Read what is needed. Runs are locked; `lock` locks usage and starts too: what is read of them holds."""

    async def read_config(self, wanted: Sequence[Pair]) -> ConfigRows:
        """Read what decides for keys (account and id) as this transaction sees it, with its own writes."""

    async def read_packs(self, wanted: Sequence[Triple]) -> Sequence[PackRow]:
        """Read versions of packs (account, name and version) as this transaction sees them."""

    async def save(self, rows: Rows) -> None:
        """Write and commit.

        Raises Conflict where another process was quicker, StoreUnavailable where the database cannot be written (then
        it is not known whether it was), and whatever the database says of a row that it refuses."""

    async def rollback(self) -> None:
        """Take it back; never raises."""

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Any other write, behind a savepoint. Embedded store only."""


class Store(Protocol):
    """A database: engines for everything but checks, and transactions for checks."""

    #: `sqlite` or `postgresql`.
    name: str
    #: Whether other server processes may use it at the same time.
    shared: bool
    #: Raised whenever another database has taken the place of the one that was read: what was kept of it is void.
    generation: int
    #: How many batches may be under way at once in one process.
    lanes: int
    writer: sa.Engine
    reader: sa.Engine

    def exists(self) -> bool:
        """Whether there is a database."""

    def create(self) -> None:
        """Make one where there is none."""

    def where(self) -> str:
        """What to call it in messages, without a password."""

    def claim(self) -> None:
        """Get ready to serve. Raises Refused where this process must not."""

    def in_place(self) -> bool:
        """Whether the database is still the one that was opened; where it is not, the next batch sees to it."""

    async def begin(self, now: float) -> Transaction:
        """Begin a batch at a time in Unix seconds. Raises StoreUnavailable."""

    def translated(self) -> AbstractContextManager[None]:
        """What the driver says becomes what it means: StoreUnavailable, Conflict, or as it is for a row it refuses."""

    def bounded(self, connection: sa.Connection, seconds: float) -> AbstractContextManager[None]:
        """What is read inside is interrupted after so many seconds, and is Overloaded then."""

    async def close_lanes(self) -> None:
        """Let go of the connections that batches use."""

    def close(self) -> None:
        """Let go of everything else."""
