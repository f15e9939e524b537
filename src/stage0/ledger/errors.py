"""What the ledger says when it cannot do what was asked."""

from __future__ import annotations


class LedgerError(Exception):
    """Base of the ledger's errors; the message is for people."""


class StoreUnavailable(LedgerError):
    """The database cannot be written or read now. Nothing was recorded; trying again is safe."""


class Overloaded(LedgerError):
    """The queue is full or the deadline has passed. Nothing was recorded."""


class KeyRefused(LedgerError):
    """The key was revoked or disabled since it was looked up. `status` is its status now."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the key is {status}")
        self.status = status


class PlanRefused(LedgerError):
    """`pro: true` on a plan that does not include it."""

    def __init__(self, plan: str) -> None:
        super().__init__(f"`pro: true` needs the Pro or Enterprise plan; this account is on {plan.capitalize()}")


class PolicyMismatch(LedgerError):
    """A request names another version of the policy than the one that decides."""

    def __init__(self, active: str, wanted: str) -> None:
        super().__init__(f"the active policy is `{active}`, not `{wanted[:100]}`")
        self.active = active


class PolicyUnusable(LedgerError):
    """A stored pack that this version cannot use: nothing is decided under it."""


class LimitReached(LedgerError):
    """A quota or a rate is spent. `holder` is the key's id or `group:` and a name; `wait` is seconds until the window
    (`month`, `day` or `minute`) is over."""

    def __init__(self, holder: str, window: str, limit: int, wait: float) -> None:
        super().__init__(f"`{holder}` has spent its {limit} checks of this {window}")
        self.holder = holder
        self.window = window
        self.limit = limit
        self.wait = wait


class IdempotencyConflict(LedgerError):
    """The same `Idempotency-Key` with another body."""


class IdempotencySpent(LedgerError):
    """A stored ALLOW whose outcome was reported: it is not given again."""


class Conflict(LedgerError):
    """Another process changed the same rows at the same time. Nothing was recorded; doing it again is safe."""


class NotFound(LedgerError):
    """No such thing in this account."""


class Refused(LedgerError):
    """The database or its settings are not fit for use: what is wrong and what to do."""
