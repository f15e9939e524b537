"""Checks, changes, failing commits and a second process in any order, against a model of what is committed.

No check is decided by anything but what was committed before its batch, or written in it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from stage0.ledger import KeyRefused, LedgerError
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import Key, change_key, create_key, set_key_status
from stage0.ledger.packs import activate, push_pack, roll_back
from stage0.ledger.stops import resume, stop
from stage0.ledger.store import Store
from stage0.policy import shipped_packs
from tests.asserting import nonempty
from tests.catalogue import CATALOGUE
from tests.ledger.opening import ROOT, Running, add_key, check
from tests.packs import pack, stops

GOAL: Final = "List the open tickets"
DEFAULT: Final = shipped_packs()["stage0-default"].id
#: Versions and what they make of the goal. Two have the same name and another content: which of them is stored first
#: is a matter of order.
PACKS: Final = {
    ("1", "ALLOW"): pack(version="1"),
    ("2", "DENY"): pack(version="2", more=stops("NOT_NOW", GOAL)),
    ("2", "DEFER"): pack(version="2", more=stops("NOT_NOW", GOAL, severity="medium")),
}
STOPS: Final = ("account", "key", "agent")
AGENT: Final = "planner"
KEYS: Final = 2

#: A write: of a connection.
Work = Callable[[sa.Connection], Any]


class Standing(msgspec.Struct, frozen=True):
    """What is committed, as the model knows it: the verdict of each version that was pushed, what was activated in turn
    (for keys that are bound to no environment, and for those of production), statuses, stops, and keys with a pack of
    their own."""

    pushed: Mapping[str, str] = {}
    active: tuple[str, ...] = ()
    production: tuple[str, ...] = ()
    disabled: frozenset[int] = frozenset()
    stopped: frozenset[tuple[str, int]] = frozenset()
    own: Mapping[int, str] = {}

    def expects(self, which: int) -> tuple[str, str] | None:
        """Which policy decides a check of a key, and how; None where the key is refused. The second key is bound to
        production."""
        if which in self.disabled:
            return None
        general = self.active[-1] if self.active else DEFAULT
        policy = self.own.get(which) or (self.production[-1] if which == 1 and self.production else general)
        if self.stopped & {("account", -1), ("agent", -1), ("key", which)}:
            return policy, "DENY"
        return policy, self.pushed.get(policy, "ALLOW")


class Change(NamedTuple):
    """A write, and what is committed after it."""

    work: Work
    after: Standing


class Deciding(RuleBasedStateMachine):
    """Two keys of one account, two ways into one database. `open_two` says how: a server with which the other process
    writes, or two servers."""

    store: Store
    servers: Sequence[Running]
    #: Makes the next commit of a batch fail, where the database can be made to.
    failing: Callable[[], Any]

    @initialize()
    def begin(self) -> None:
        first, _ = add_key(self.store)
        self.account = first.account
        with self.store.writer.begin() as connection:
            second, _ = create_key(
                connection,
                CATALOGUE,
                Keyring([ROOT]),
                account=first.account,
                actor="t",
                now=time.time(),
                environments=["production"],
            )
        self.keys: list[Key] = [first, second]
        self.standing = Standing()

    # -- changes

    def _push(self, version: str, verdict: str) -> Change:
        made = PACKS[version, verdict]
        return Change(
            lambda c: push_pack(c, CATALOGUE, self.account, made, actor="t", now=time.time()),
            replace(self.standing, pushed={**self.standing.pushed, made.id: verdict}),
        )

    def _activate(self, version: str, environment: str) -> Change:
        pack_id = f"acme@{version}"
        field = environment or "active"
        stack = (*getattr(self.standing, field), pack_id)
        return Change(
            lambda c: activate(
                c, CATALOGUE, self.account, pack_id, environment=environment, force=True, actor="t", now=time.time()
            ),
            replace(self.standing, **{field: stack}),
        )

    def _roll_back(self) -> Change:
        return Change(
            lambda c: roll_back(c, CATALOGUE, self.account, actor="t", now=time.time()),
            replace(self.standing, active=self.standing.active[:-1]),
        )

    def _status(self, which: int) -> Change:
        disabled = self.standing.disabled ^ {which}
        status: Any = "disabled" if which in disabled else "active"
        return Change(
            lambda c: set_key_status(c, CATALOGUE, self.keys[which].id, status, actor="t", now=time.time()),
            replace(self.standing, disabled=disabled),
        )

    def _stop(self, kind: Any, which: int) -> Change:
        target = {"account": "", "key": self.keys[which].id, "agent": AGENT}[kind]
        at = (kind, which if kind == "key" else -1)
        turn = resume if at in self.standing.stopped else stop
        return Change(
            lambda c: turn(c, account=self.account, kind=kind, target=target, actor="t", now=time.time()),
            replace(self.standing, stopped=self.standing.stopped ^ {at}),
        )

    def _own(self, which: int, version: str) -> Change:
        pack_id = f"acme@{version}" if version else ""
        own = {**self.standing.own, which: pack_id}
        return Change(
            lambda c: change_key(c, CATALOGUE, self.keys[which].id, pack=pack_id, actor="t", now=time.time()),
            replace(self.standing, own=own),
        )

    def _change(self, data: st.DataObject) -> Change:
        """Any change that would not be refused now."""
        standing = self.standing
        versions = sorted({pack_id.partition("@")[2] for pack_id in standing.pushed})
        which = data.draw(st.integers(0, KEYS - 1), label="key")
        possible = {"status": lambda: self._status(which)}
        for kind in STOPS:
            possible[f"stop {kind}"] = lambda kind=kind: self._stop(kind, which)  # type: ignore[misc]
        for version, verdict in PACKS:
            if version not in versions:
                possible[f"push {version} {verdict}"] = lambda v=version, w=verdict: self._push(v, w)  # type: ignore[misc]
        for version in versions:
            for environment in ("", "production"):
                possible[f"activate {version} {environment}"] = lambda v=version, e=environment: self._activate(v, e)  # type: ignore[misc]
            possible[f"own {version}"] = lambda v=version: self._own(which, v)  # type: ignore[misc]
        if standing.own.get(which):
            possible["own none"] = lambda: self._own(which, "")
        if standing.active:
            possible["roll back"] = self._roll_back
        return possible[data.draw(st.sampled_from(sorted(possible)), label="change")]()

    # -- what happens

    def _ask(self, server: Running, which: int) -> asyncio.Future[Any]:
        return check(server.engine, self.keys[which], goal=GOAL, context={"agent_name": AGENT})

    def _told(self, result: Any) -> tuple[str, str] | None:
        if isinstance(result, KeyRefused):
            return None
        if isinstance(result, BaseException):
            raise result
        answer = json.loads(result.body)
        return answer["policy_version"], answer["verdict"]

    @rule(server=st.integers(0, 1), which=st.integers(0, KEYS - 1))
    def check(self, server: int, which: int) -> None:
        at = self.servers[server % len(self.servers)]

        async def run() -> Any:
            return (await asyncio.gather(self._ask(at, which), return_exceptions=True))[0]

        assert self._told(at.run(run())) == self.standing.expects(which)

    @rule(data=st.data(), server=st.integers(0, 1), before=st.booleans())
    def change_and_check_at_once(self, data: st.DataObject, server: int, before: bool) -> None:
        """Two checks and a change that arrive at the same moment at one server. On the embedded store they share a
        batch, in which the change comes first; on the shared one the order is open."""
        at = self.servers[server % len(self.servers)]
        change = self._change(data)
        was, self.standing = self.standing, change.after

        async def run() -> list[Any]:
            waiting = [at.engine.write(change.work), *[self._ask(at, which) for which in range(KEYS)]]
            return await asyncio.gather(*(waiting if before else waiting[1:] + waiting[:1]), return_exceptions=True)

        results = at.run(run())
        written, *answers = results if before else results[-1:] + results[:-1]
        if isinstance(written, BaseException):
            raise written
        for which, answer in enumerate(nonempty(answers)):
            possible = [change.after.expects(which)] + ([was.expects(which)] if self.store.shared else [])
            assert self._told(answer) in possible

    @rule(data=st.data())
    def change_in_another_process(self, data: st.DataObject) -> None:
        change = self._change(data)
        with self.store.writer.begin() as connection:
            change.work(connection)
        self.standing = change.after

    @rule(data=st.data())
    def take_a_change_back(self, data: st.DataObject) -> None:
        """Another process begins a change and gives it up."""
        change = self._change(data)
        with self.store.writer.connect() as connection:
            transaction = connection.begin()
            change.work(connection)
            transaction.rollback()

    @precondition(lambda self: not self.store.shared)
    @rule(data=st.data(), which=st.integers(0, KEYS - 1))
    def change_and_check_in_a_commit_that_fails(self, data: st.DataObject, which: int) -> None:
        """Nobody gets an answer, and nothing has changed."""
        at = self.servers[0]
        change = self._change(data)

        async def run() -> list[Any]:
            waiting = [at.engine.write(change.work), self._ask(at, which)]
            return await asyncio.gather(*waiting, return_exceptions=True)

        with self.failing():
            written, answer = at.run(run())
        assert isinstance(written, LedgerError)
        assert isinstance(answer, LedgerError)

    @precondition(lambda self: self.store.shared)
    @rule(which=st.integers(0, KEYS - 1))
    def check_in_a_commit_that_fails(self, which: int) -> None:
        """Nobody gets an answer."""
        at = self.servers[0]

        async def run() -> Any:
            return (await asyncio.gather(self._ask(at, which), return_exceptions=True))[0]

        with self.failing():
            assert isinstance(at.run(run()), LedgerError)
