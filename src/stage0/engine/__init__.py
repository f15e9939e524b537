"""The way of a check over the ledger: its turn, what decides, admission, decision, record, answer."""

from __future__ import annotations

from stage0.engine.engine import Engine

__all__ = ["Engine"]
