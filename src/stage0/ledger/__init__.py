"""All durable state, and the only importer of the database library."""

from __future__ import annotations

from stage0.ledger.errors import (
    IdempotencyConflict,
    IdempotencySpent,
    KeyRefused,
    LedgerError,
    LimitReached,
    NotFound,
    Overloaded,
    PlanRefused,
    PolicyMismatch,
    PolicyUnusable,
    Refused,
    StoreUnavailable,
)
from stage0.ledger.stores import open_store

__all__ = [
    "IdempotencyConflict",
    "IdempotencySpent",
    "KeyRefused",
    "LedgerError",
    "LimitReached",
    "NotFound",
    "Overloaded",
    "PlanRefused",
    "PolicyMismatch",
    "PolicyUnusable",
    "Refused",
    "StoreUnavailable",
    "open_store",
]
