"""The rows that a check reads and writes: the statements take their columns from here, in this order. Times are Unix
microseconds."""

from __future__ import annotations

from typing import Any, NamedTuple

# -- written


class NewDecision(NamedTuple):
    """A row that a check adds to `decisions`."""

    account_id: str
    id: str
    created_at: int
    key_id: str
    run_id: str | None
    verdict: str
    risk_score: int
    codes: str
    policy: str
    task_hash: str
    record: bytes


class NewToken(NamedTuple):
    """A row that a check adds to `idempotency`."""

    account_id: str
    key_id: str
    token: str
    body: str
    request_id: str
    created_at: int


class NewUsage(NamedTuple):
    """What a batch adds to a row of `usage`: to each window its number, and as it is limited."""

    account_id: str
    holder: str
    month: int
    month_used: int
    month_limit: int
    month_warned: int
    day: int
    day_used: int
    day_limit: int
    day_warned: int
    minute: int
    minute_used: int
    minute_limit: int


# -- read; runs and starts are written as they are read


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
    fails where another process has counted meanwhile. It begins as `StartsRow` does."""

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
    workspace: str
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
