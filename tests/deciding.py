"""Decisions in process, for tests of the core."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from stage0.core.decide import decide
from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.reading.request import ActionRequest, Caller, RunState, State

#: A Monday, 10:00 UTC.
NOW: Final = datetime.fromisoformat("2026-03-16T10:00:00+00:00").timestamp()
CALLER: Final = Caller("acc_test")
#: A request that nothing stops.
READ: Final[dict[str, Any]] = {
    "goal": "List the open tickets",
    "tools": ["tickets.list"],
    "success_criteria": ["The list is complete"],
}


def request(**fields: Any) -> dict[str, Any]:
    """The request with other fields."""
    return {**READ, **fields}


def sending(**context: Any) -> dict[str, Any]:
    """The request with further context."""
    return request(context=context)


def request_of(**fields: Any) -> ActionRequest:
    """A request; `goal` has a harmless default."""
    return msgspec.convert({"goal": "List the open tickets", **fields}, ActionRequest)


def decided(
    fields: dict[str, Any],
    pack: Pack,
    *,
    now: float = NOW,
    caller: Caller = CALLER,
    run: RunState | None = None,
    stopped: str = "",
) -> Decision:
    """The decision on a request given as plain fields."""
    return decide(request_of(**fields), pack=pack, state=State(caller, run, stopped), now=now)


def codes(decision: Decision) -> set[str]:
    """The issue codes of a decision."""
    return {issue.code for issue in decision.issues}


def stops(decision: Decision) -> set[str]:
    """The codes that stop an action."""
    return {issue.code for issue in decision.issues if issue.severity != "LOW"}
