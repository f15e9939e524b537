"""The kill switch: who is stopped. It is in force from the next batch of every process on."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from stage0.ledger.errors import NotFound, Refused
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.keys import Key, owner_of
from stage0.ledger.rows import StopRow
from stage0.ledger.schema import stops
from stage0.reading.prose.lexicon import Lexicon

Kind = Literal["account", "key", "agent"]
#: Categories of characters that nobody sees: format and control.
_INVISIBLE: Final = ("Cf", "Cc")
KINDS: Final[tuple[Kind, ...]] = ("account", "key", "agent")


class Stop(msgspec.Struct, frozen=True):
    """One thing that is stopped. `at` is Unix microseconds."""

    account_id: str
    kind: Kind
    target: str
    at: int
    actor: str
    reason: str


class Stopped(msgspec.Struct, frozen=True):
    """What is stopped in one account: all of it, some keys by id, some agents by name."""

    account: bool = False
    keys: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()

    def what(self, key: Key, names: Iterable[str], lexicon: Lexicon) -> str:
        """Which of them stops a check: `account`, `key` or `agent`; empty for none.

        `names` are what the caller says the agent is; the agent that the key is bound to counts beside them."""
        if self.account:
            return "account"
        if key.holders[0][0] in self.keys:
            return "key"
        if self.agents:
            agents = {_folded(name, lexicon) for name in self.agents}
            if any(_folded(name, lexicon) in agents for name in (key.caller.agent, *names) if name):
                return "agent"
        return ""


def _folded(name: str, lexicon: Lexicon) -> str:
    """How an agent's name is compared with what a caller says: look-alike letters are no other agent, either."""
    return " ".join(lexicon.fold(name).text.split())


def agent_key(name: str) -> str:
    """How an agent's name is kept: without width, case, invisible characters or further spaces; empty for no name."""
    seen = [letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) not in _INVISIBLE]
    return " ".join("".join(seen).casefold().split())


def stopped_of(rows: Iterable[StopRow]) -> dict[str, Stopped]:
    """What is stopped, by account."""
    found: dict[str, list[StopRow]] = {}
    for row in rows:
        found.setdefault(row.account_id, []).append(row)
    return {
        account: Stopped(
            any(row.kind == "account" for row in all_of_it),
            frozenset(row.target for row in all_of_it if row.kind == "key"),
            frozenset(row.target for row in all_of_it if row.kind == "agent"),
        )
        for account, all_of_it in found.items()
    }


def list_stops(connection: sa.Connection, account: str | None = None) -> list[Stop]:
    """What is stopped in an account, or in all."""
    query = sa.select(stops).order_by(stops.c.account_id, stops.c.kind, stops.c.target)
    if account is not None:
        query = query.where(stops.c.account_id == account)
    return [Stop(**row._mapping) for row in connection.execute(query)]


def stop(
    connection: sa.Connection,
    *,
    account: str,
    kind: Kind,
    target: str,
    actor: str,
    now: float,
    reason: str = "",
) -> str:
    """Stop an account, one of its keys, or an agent by name. Gives what is stopped, as it is kept.

    Raises NotFound or Refused; stopping it again changes nothing."""
    target = _target(connection, account, kind, target)
    wanted = sa.and_(stops.c.account_id == account, stops.c.kind == kind, stops.c.target == target)
    if connection.execute(sa.select(stops.c.kind).where(wanted)).first() is None:
        connection.execute(
            stops.insert().values(
                account_id=account, kind=kind, target=target, at=int(now * 1e6), actor=actor, reason=reason
            )
        )
        record_event(
            connection, account=account, actor=actor, action=f"stop.{kind}", target=target, now=now, reason=reason
        )
        raise_epoch(connection)
    return target


def resume(connection: sa.Connection, *, account: str, kind: Kind, target: str, actor: str, now: float) -> str:
    """Let go on what was stopped. Raises NotFound where it was not."""
    target = _target(connection, account, kind, target)
    wanted = sa.and_(stops.c.account_id == account, stops.c.kind == kind, stops.c.target == target)
    if connection.execute(stops.delete().where(wanted)).rowcount == 0:
        raise NotFound(f"the {kind} `{target}` is not stopped; `stage0 stops` shows what is")
    record_event(connection, account=account, actor=actor, action=f"resume.{kind}", target=target, now=now)
    raise_epoch(connection)
    return target


def _target(connection: sa.Connection, account: str, kind: Kind, target: str) -> str:
    if kind == "account":
        return account
    if kind == "key":
        owner, holder = owner_of(connection, target)
        if owner != account:
            raise NotFound(f"there is no key `{target}` in this account")
        return holder  # with it whatever it replaced, and what replaces it
    name = agent_key(target)
    if not name:
        raise Refused("an agent needs a name")
    return name
