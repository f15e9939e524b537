"""What a store is: the database behind the ledger, embedded or shared.

A batch of checks is one transaction in three steps: `read` what the decisions rest on, decide in between, `save`
everything and commit. Rows are locked in one order everywhere (runs, usage, starts, then what is inserted), each table
by its key, so that no two batches ever wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
import sqlalchemy as sa

from stage0.ledger.plans import UNLIMITED
from stage0.ledger.runs import Run
from stage0.ledger.statements import NewDecision, NewToken
from stage0.ledger.usage import Tally

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


class UsageRow(NamedTuple):
    """A row of `usage`, as far as a batch needs it."""

    account_id: str
    holder: str
    month: int
    month_used: int
    month_warned: int
    day: int
    day_used: int
    day_warned: int
    minute: int
    minute_used: int


class RunRow(NamedTuple):
    """A row of `runs`."""

    account_id: str
    run_id: str
    started_at: int
    last_at: int
    allows: int
    denies: int
    defers: int
    retries: int
    last_action: str
    waiting_since: int | None
    waited: int
    cost_usd: float
    recent: str


class StartsRow(NamedTuple):
    """A row of `run_starts`."""

    account_id: str
    key_id: str
    action: str
    since: int
    begun: int


class Start(NamedTuple):
    """How many runs a key has begun with an action, and what was read of it before (null for a new row): the write
    fails where another process has counted meanwhile."""

    account_id: str
    key_id: str
    action: str
    since: int
    begun: int
    since_read: int | None
    begun_read: int | None


class TokenRow(NamedTuple):
    """A row of `idempotency` with the record that it is bound to (null where that is gone), and whether an outcome of
    it was reported."""

    account_id: str
    key_id: str
    token: str
    body: str
    request_id: str
    created_at: int
    verdict: str | None
    record: bytes | None
    reported: int


class KeyRow(NamedTuple):
    """A row of `api_keys` with the limits of its account and of its usage group. Lists are JSON texts."""

    account_id: str
    id: str
    name: str
    hint: str
    scopes: str
    roles: str
    environments: str
    pack: str
    mode: Any
    status: Any
    created_at: int
    expires_at: int | None
    holder: str
    usage_group: str | None
    enforcement: Any
    agent: str
    plan: str
    timezone: str
    per_month: int | None
    per_day: int | None
    per_minute: int | None
    account_per_month: int | None
    account_per_day: int | None
    account_per_minute: int | None
    group_per_month: int | None
    group_per_day: int | None
    group_per_minute: int | None


class StopRow(NamedTuple):
    """A row of `stops`, as far as a batch needs it."""

    account_id: str
    kind: str
    target: str


class ActiveRow(NamedTuple):
    """A row of `policy_active`."""

    account_id: str
    environment: str
    pack: str
    shadow: str


class PackRow(NamedTuple):
    """A row of `policy_packs`, as far as loading it needs it."""

    account_id: str
    name: str
    version: str
    digest: str
    content: bytes


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
    """What a batch writes. Tallies count what was added to them. `outdated` tokens, each with the record that it was
    bound to, are deleted before: one that is bound to another record meanwhile stays, and clashes."""

    decisions: Sequence[NewDecision]
    tallies: Sequence[Tally]
    runs: Sequence[Run]
    starts: Sequence[Start]
    tokens: Sequence[NewToken]
    outdated: Sequence[tuple[str, str, str, str]]


def tally_row(tally: Tally) -> tuple[Any, ...]:
    """What is added to a holder's row of `usage`, in the order of its statement."""
    added, limits = tally.added, tally.limits
    return (
        tally.account,
        tally.holder,
        *(tally.month, added, _bound(limits.month), 0),
        *(tally.day, added, _bound(limits.day), 0),
        *(tally.minute, added, _bound(limits.minute)),
    )


def _bound(limit: int) -> int:
    """A limit as the table compares it: what is unlimited is never reached."""
    return limit if limit < UNLIMITED else _NEVER


def run_row(run: Run) -> tuple[Any, ...]:
    """A run's row, in the order of its statement."""
    return (
        run.account,
        run.run_id,
        run.started_at,
        run.last_at,
        run.allows,
        run.denies,
        run.defers,
        run.retries,
        run.last_action,
        run.waiting_since,
        run.waited,
        run.cost_usd,
        run.recent_text(),
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
