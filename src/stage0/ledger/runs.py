"""The state of a run: what this server has counted for one `run_id` of an account."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from stage0.core.fingerprint import short
from stage0.core.pack import REMEMBERED
from stage0.ledger.errors import NotFound
from stage0.ledger.schema import decisions, runs
from stage0.reading.request import RunState
from stage0.reading.workspace import Written, kept_written
from stage0.wire import encode

#: Characters of a `run_id` that is kept as it is; a longer one is kept as its hash.
_PLAIN: Final = 200
#: Microseconds for which the runs that a key begins with one action are counted together.
START_WINDOW: Final = 3_600_000_000


class Recent(msgspec.Struct, frozen=True, array_like=True):
    """Tools and short fingerprints of a run's last ALLOWs, oldest first, and the files that they have written in a work
    tree, with the effects of running each."""

    tools: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    written: tuple[Written, ...] = ()


_recent: Final = msgspec.json.Decoder(Recent)


def run_key(run_id: str) -> str:
    """How a `run_id` is kept."""
    return run_id if len(run_id) <= _PLAIN else f"sha256:{hashlib.sha256(run_id.encode()).hexdigest()}"


class Run:
    """One run, within one batch. Times are Unix microseconds."""

    __slots__ = (
        "account",
        "allows",
        "cost_usd",
        "defers",
        "denies",
        "last_action",
        "last_at",
        "new",
        "recent",
        "retries",
        "run_id",
        "started_at",
        "waited",
        "waiting_since",
    )

    def __init__(self, account: str, run_id: str, now: int) -> None:
        self.account = account
        self.run_id = run_id
        self.started_at = self.last_at = now
        self.allows = self.denies = self.defers = self.retries = self.waited = 0
        self.last_action = ""
        self.waiting_since: int | None = None
        self.cost_usd = 0.0
        self.recent = Recent()
        self.new = True

    @classmethod
    def of(cls, row: Any) -> Run:
        """A run from its row."""
        run = cls(row.account_id, row.run_id, row.started_at)
        run.new = False
        run.last_at, run.allows, run.denies, run.defers = row.last_at, row.allows, row.denies, row.defers
        run.retries, run.last_action, run.waiting_since = row.retries, row.last_action, row.waiting_since
        run.waited, run.cost_usd, run.recent = row.waited, row.cost_usd, _recent.decode(row.recent)
        return run

    def state(self, now: int, starts: int) -> RunState:
        """What a decision may rest on. `starts` is how many runs the key began with this action within the hour."""
        waiting = 0 if self.waiting_since is None else max(0, now - self.waiting_since)
        return RunState(
            allows=self.allows,
            elapsed_seconds=max(0, now - self.started_at - self.waited) / 1e6,
            cost_usd=self.cost_usd,
            retries=self.retries,
            recent_tools=self.recent.tools,
            recent_actions=self.recent.actions,
            last_action=self.last_action,
            waiting_seconds=waiting / 1e6,
            starts=starts,
            written=self.recent.written,
        )

    def note(
        self, task_hash: str, tool: str, verdict: str, now: int, *, waits: bool, new: Sequence[Written] = ()
    ) -> None:
        """Count a decision. `new` are the files that the action writes in a work tree; `waits` says that it was put off
        until somebody has approved it.

        Only the time in which nothing but the waiting action was checked is a wait, and only where it was approved in
        the end: a run could stop its clock with an action that nobody ever approves."""
        action = short(task_hash)
        if action == self.last_action:
            if self.waiting_since is not None and verdict == "ALLOW":
                self.waited += max(0, now - self.waiting_since)
        else:
            self.retries = 0
            self.waiting_since = None
            self.last_action = action
        self.last_at = max(now, self.last_at)
        if not waits:
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = now
        if verdict == "ALLOW":
            self.allows += 1
            tools, actions = self.recent.tools, self.recent.actions
            files = kept_written(self.recent.written, new) if new else self.recent.written
            self.recent = Recent((*tools, tool)[-REMEMBERED:], (*actions, action)[-REMEMBERED:], files)
        elif verdict == "DENY":
            self.denies += 1
        else:
            self.defers += 1
        if verdict != "ALLOW" and not waits:
            self.retries += 1

    def recent_text(self) -> str:
        """The last ALLOWs as they are stored."""
        return encode(self.recent).decode()


def note_outcome(
    connection: sa.Connection,
    account: str,
    run_id: str,
    task_hash: str,
    verdict: str,
    status: str,
    cost_usd: float | None,
) -> None:
    """Count what was done: its cost, a failure as a try that has to be repeated, and the success of something that was
    allowed as the end of retrying."""
    same = sa.and_(runs.c.last_action == short(task_hash))
    values: dict[str, Any] = {}
    if cost_usd:
        values["cost_usd"] = runs.c.cost_usd + cost_usd
    if status in ("failed", "rolled_back"):
        values["retries"] = sa.case((same, runs.c.retries + 1), else_=runs.c.retries)
    elif status == "executed" and verdict == "ALLOW":
        values["retries"] = sa.case((same, 0), else_=runs.c.retries)
    if values:
        connection.execute(runs.update().where(runs.c.account_id == account, runs.c.run_id == run_id).values(**values))


def get_run(connection: sa.Connection, account: str, run_id: str, *, now: float, key_id: str = "") -> dict[str, Any]:
    """The state of one run. Raises NotFound, also for another account's, or where `key_id` has no part in it."""
    wanted = run_key(run_id)
    row = connection.execute(sa.select(runs).where(runs.c.account_id == account, runs.c.run_id == wanted)).first()
    if row is not None and key_id:
        mine = sa.select(decisions.c.id).where(
            decisions.c.account_id == account, decisions.c.run_id == wanted, decisions.c.key_id == key_id
        )
        if connection.execute(mine.limit(1)).first() is None:
            row = None
    if row is None:
        raise NotFound(f"there is no run `{run_id[:_PLAIN]}`")
    run = Run.of(row)
    moment = int(now * 1e6)
    waiting = run.waiting_since is not None
    idle = max(0, moment - run.waiting_since) if run.waiting_since is not None else 0
    return {
        "run_id": run.run_id,
        "started_at": run.started_at / 1e6,
        "last_check_at": run.last_at / 1e6,
        "iterations": run.allows,
        "checks": run.allows + run.denies + run.defers,
        "verdicts": {"ALLOW": run.allows, "DENY": run.denies, "DEFER": run.defers},
        "retries": run.retries,
        "elapsed_seconds": max(0, moment - run.started_at - run.waited - idle) / 1e6,
        "waiting_for_approval": waiting,
        "cost_usd": run.cost_usd,
        "recent_tools": list(run.recent.tools),
    }


def tool_of(current: str | None, tools: Sequence[str]) -> str:
    """How a step of a run is named: the tool that is said to be current, else all that were proposed."""
    return (current or ", ".join(tools))[:100]
