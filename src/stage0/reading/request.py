"""What a caller proposes: one action, before anything has run."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from stage0.reading.effects import Effect
from stage0.reading.limits import most

GOAL_LIMIT: Final = most("goal")
LIST_LIMIT: Final = most("list")
ITEM_LIMIT: Final = most("item")

Item = Annotated[str, msgspec.Meta(max_length=ITEM_LIMIT)]
Items = Annotated[tuple[Item, ...], msgspec.Meta(max_length=LIST_LIMIT)]


class ActionRequest(msgspec.Struct, frozen=True):
    """A proposed action. `goal` is trimmed; list items are kept as sent; `context` is any JSON object."""

    goal: str
    success_criteria: Items = ()
    constraints: Items = ()
    tools: Items = ()
    side_effects: Items = ()
    context: dict[str, Any] = {}
    pro: bool = False
    policy_pack_version: Annotated[str, msgspec.Meta(max_length=most("policy_pack_version"))] = ""
    debug_store_input: bool = False


class Caller(msgspec.Struct, frozen=True):
    """What this server knows of the caller from its API key: verified facts, never the caller's word."""

    account: str
    roles: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    test_mode: bool = False
    timezone: str = "UTC"
    agent: str = ""
    workspace: tuple[str, ...] = ()


class RunState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What this server has counted for one `run_id` before this check.

    `allows` so far; `elapsed_seconds` since the run was first seen, without the waits for an approval that are over;
    `cost_usd`; tools and actions (short fingerprints) of its last ALLOWs, oldest first. `last_action` was checked last:
    `retries` is how often in a row it was stopped or failed since it was first tried, `waiting_seconds` for how long it
    has been waiting for an approval (both count for that action alone). `starts` is how many runs this key has begun
    with this very action within the hour, this one included. `written` are the files that it has written in a work
    tree, by name, and the effects of running each."""

    allows: int = 0
    elapsed_seconds: float = 0.0
    cost_usd: float = 0.0
    retries: int = 0
    recent_tools: tuple[str, ...] = ()
    recent_actions: tuple[str, ...] = ()
    last_action: str = ""
    waiting_seconds: float = 0.0
    starts: int = 0
    written: tuple[tuple[str, tuple[Effect, ...]], ...] = ()


class State(msgspec.Struct, frozen=True):
    """Everything that the server knows and a decision may rest on, besides the request and the clock.

    `stopped` is what the kill switch has stopped: `account`, `key` or `agent`; empty for nothing."""

    caller: Caller
    run: RunState | None = None
    stopped: str = ""
