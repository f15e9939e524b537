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


class NotFound(LedgerError):
    """No such thing in this account."""


class Refused(LedgerError):
    """The database or its settings are not fit for use: what is wrong and what to do."""


class StoreBusy(LedgerError):
    """Another process holds the database's write lock just now."""
