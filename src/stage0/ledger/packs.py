"""Packs of an account: pushed once and never changed, activated, rolled back, shadowed; and those in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
import structlog

from stage0.core.facts import PRODUCTION
from stage0.core.pack import Pack
from stage0.ledger.catalogue import DEFAULT, Catalogue
from stage0.ledger.errors import NotFound, PolicyUnusable, Refused
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.ids import new_id
from stage0.ledger.rows import ActiveRow
from stage0.ledger.schema import accounts, policy_activations, policy_active, policy_packs
from stage0.ledger.store import Pair
from stage0.policy import PolicyError, pack_of_content
from stage0.policy.upload import Compiled

log: Final = structlog.get_logger("stage0.ledger")

#: Bytes of content of accounts' packs that a process keeps loaded, and versions that an account may have.
_ROOM: Final = 32_000_000
_VERSIONS: Final = 1_000
#: Seconds for which a thread that loads a pack stands back between two pieces of work.
_BREAK: Final = 0.01
#: Packs that are loaded ahead in one turn.
_AT_ONCE: Final = 4


class Active(NamedTuple):
    """What decides for an account's keys of an environment: `name@version`, and the candidate beside it (or empty)."""

    pack: str
    shadow: str


class Activation(msgspec.Struct, frozen=True):
    """One activation. `at` is Unix microseconds."""

    account_id: str
    id: str
    number: int
    environment: str
    pack: str
    at: int
    actor: str
    undone: int


#: By account and environment.
Actives = Mapping[Pair, Active]


def environment_of(name: str, catalogue: Catalogue) -> str:
    """An environment as packs are chosen by it: trimmed, in small letters, production by whichever of its names."""
    plain = name.strip().lower()
    return PRODUCTION if plain in catalogue.default.environments.production else plain


#: The size of a version's content in bytes, and what was made of it.
Made = tuple[int, Pack | PolicyUnusable]


class Loaded(NamedTuple):
    """The packs that one batch needs: those that ship, and accounts' own by account and id."""

    shipped: Mapping[str, Pack]
    own: Mapping[Pair, Made]

    def get(self, account: str, pack_id: str) -> Pack | None:
        """A pack; None for one that there is not. Raises PolicyUnusable."""
        pack = self.shipped.get(pack_id)
        if pack is not None:
            return pack
        _, found = self.own.get((account, pack_id), (0, None))
        if isinstance(found, PolicyUnusable):
            raise found
        return found


class PackCache:
    """The packs that a process has loaded: those that ship, and accounts' own by account and id. For any thread.

    Only what is committed is kept here. It keeps those that were used last, up to so many bytes of content; one in use
    is loaded again when it is needed."""

    def __init__(self, shipped: Mapping[str, Pack], room: int = _ROOM) -> None:
        self.shipped = {pack.id: pack for pack in shipped.values()}
        self.default = shipped[DEFAULT]
        self._room = room
        self._own: OrderedDict[Pair, Made] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, account: str, pack_id: str) -> bool:
        """Whether it need not be loaded any more: it is here, or cannot be used."""
        return pack_id in self.shipped or (account, pack_id) in self._own

    def get(self, account: str, pack_id: str) -> Pack | None:
        """A pack that is loaded; None for one that there is not. Raises PolicyUnusable."""
        return self.shipped.get(pack_id) or self.loaded([(account, pack_id)]).get(account, pack_id)

    def loaded(self, wanted: Iterable[Pair]) -> Loaded:
        """Those of the wanted packs that are here. They stay with whoever asked, whatever is loaded later."""
        found = {}
        with self._lock:
            for each in wanted:
                made = self._own.get(each)
                if made is not None:
                    self._own.move_to_end(each)
                    found[each] = made
        return Loaded(self.shipped, found)

    def load(self, connection: sa.Connection, wanted: Iterable[Pair]) -> None:
        """Load packs of accounts that are not here yet, over a connection that sees only what is committed."""
        for account, pack_id in sorted(wanted):
            row = None if self.has(account, pack_id) or "@" not in pack_id else find_pack(connection, account, pack_id)
            if row is not None:
                self.keep(make_packs([row]))

    def keep(self, made: Mapping[Pair, Made]) -> None:
        """Keep what was made of committed versions."""
        with self._lock:
            self._own.update(made)
            while len(self._own) > 1 and sum([size for size, _ in self._own.values()]) > self._room:
                self._own.popitem(last=False)

    def forget(self) -> None:
        """Forget all accounts' packs: another database may hold other content under the same version."""
        with self._lock:
            self._own.clear()


def make_packs(rows: Iterable[Any], between: Callable[[], None] | None = None) -> dict[Pair, Made]:
    """Packs from their rows (`store.PackRow`, or one of SQLAlchemy with the same names), by account and id. One that
    cannot be used is kept as such, and said loudly.

    `between` runs between two pieces of work: by default others may run for a moment."""
    return {
        (row.account_id, f"{row.name}@{row.version}"): (len(row.content), _make_pack(row, between or _let_others_run))
        for row in rows
    }


def _make_pack(row: Any, between: Callable[[], None]) -> Pack | PolicyUnusable:
    pack_id = f"{row.name}@{row.version}"
    try:
        pack = pack_of_content(row.content, between=between)
        if pack.digest != row.digest:
            raise PolicyError(f"its content is not what was pushed: the digest is `{pack.digest}`")
    except PolicyError as error:
        log.error("policy_unusable", account=row.account_id, pack=pack_id, error=str(error))
        return PolicyUnusable(f"the policy `{pack_id}` cannot be used by this version: {error}")
    return pack


def _let_others_run() -> None:
    """Let the batch that is under way go on: loading a large pack may take a while."""
    time.sleep(_BREAK)


def split_id(pack_id: str) -> tuple[str, str]:
    """`name@version` as its two parts. Raises Refused."""
    name, at, version = pack_id.partition("@")
    if not (name and at and version):
        raise Refused(f"`{pack_id}` names no version of a pack; write `name@version`")
    return name, version


def _one_at_a_time(connection: sa.Connection, account: str) -> None:
    """Changes of an account's packs come one after the other, in every process."""
    connection.execute(sa.select(accounts.c.id).where(accounts.c.id == account).with_for_update())


def find_pack(connection: sa.Connection, account: str, pack_id: str) -> Any:
    """The row of a version that an account has pushed; None where it has not."""
    name, _, version = pack_id.partition("@")
    wanted = (policy_packs.c.account_id == account, policy_packs.c.name == name)
    if version:
        return connection.execute(sa.select(policy_packs).where(*wanted, policy_packs.c.version == version)).first()
    newest = sa.select(policy_packs).where(*wanted).order_by(policy_packs.c.at.desc(), policy_packs.c.version.desc())
    return connection.execute(newest.limit(1)).first()


def actives_of(rows: Iterable[ActiveRow]) -> dict[Pair, Active]:
    """What decides where: by account and environment."""
    return {(row.account_id, row.environment): Active(row.pack, row.shadow) for row in rows}


def read_actives(connection: sa.Connection) -> Actives:
    """What decides where, for every account."""
    return actives_of(ActiveRow(**row._mapping) for row in connection.execute(sa.select(policy_active)))


def push_pack(
    connection: sa.Connection, catalogue: Catalogue, account: str, made: Compiled, *, actor: str, now: float
) -> bool:
    """Store a version. Gives whether it is new: the same content under the same version is there already.

    Raises Refused for another content, since a version never changes."""
    if made.name in catalogue.packs:
        raise Refused(f"`{made.name}` is the name of a pack that ships: choose another one")
    _one_at_a_time(connection, account)
    there = find_pack(connection, account, made.id)
    if there is not None:
        if there.digest == made.digest:
            return False
        raise Refused(f"`{made.id}` is there with another content, and a version never changes: raise `version`")
    count = sa.select(sa.func.count()).select_from(policy_packs).where(policy_packs.c.account_id == account)
    if connection.execute(count).scalar_one() >= _VERSIONS:
        raise Refused(f"the account has {_VERSIONS:,} versions of packs already")
    connection.execute(
        policy_packs.insert().values(
            account_id=account,
            name=made.name,
            version=made.version,
            digest=made.digest,
            at=int(now * 1e6),
            actor=actor,
            content=made.content.encode(),
            source=msgspec.json.encode(made.files).decode(),
            suite=msgspec.json.encode(made.suite).decode(),
        )
    )
    record_event(
        connection, account=account, actor=actor, action="policy.pushed", target=made.id, now=now, digest=made.digest
    )
    return True


def pushed_since(connection: sa.Connection, moment: int) -> list[tuple[str, str, int]]:
    """The versions that were pushed after a moment, in Unix microseconds: account, id and moment, oldest first."""
    columns = [policy_packs.c[name] for name in ("account_id", "name", "version", "at")]
    query = sa.select(*columns).where(policy_packs.c.at > moment).order_by(policy_packs.c.at).limit(_AT_ONCE)
    return [(row.account_id, f"{row.name}@{row.version}", row.at) for row in connection.execute(query)]


def list_packs(connection: sa.Connection, account: str, limit: int = 200) -> list[dict[str, Any]]:
    """The newest versions that an account has pushed, newest first, without their content."""
    columns = [policy_packs.c[name] for name in ("name", "version", "digest", "at", "actor", "suite")]
    query = sa.select(*columns).where(policy_packs.c.account_id == account).order_by(policy_packs.c.at.desc())
    return [describe_pack(row) for row in connection.execute(query.limit(limit))]


def describe_pack(row: Any) -> dict[str, Any]:
    """A version in short."""
    return {
        "id": f"{row.name}@{row.version}",
        "digest": row.digest,
        "pushed_at": row.at / 1e6,
        "pushed_by": row.actor,
        "suite": msgspec.json.decode(row.suite),
    }


def usable_pack(
    connection: sa.Connection, catalogue: Catalogue, account: str, pack_id: str, pack_cache: PackCache | None = None
) -> Pack:
    """A version that ships or that an account has pushed, loaded. Raises NotFound or PolicyUnusable."""
    if "@" not in pack_id and pack_id in catalogue.packs:
        return catalogue.packs[pack_id]
    if pack_cache is None or not pack_cache.has(account, pack_id):
        # What a transaction reads may never be committed: it is not kept for others.
        pack_cache = PackCache(catalogue.packs)
        pack_cache.load(connection, [(account, pack_id)])
    found = pack_cache.get(account, pack_id)
    if found is None:
        raise NotFound(f"there is no pack `{pack_id}` in this account")
    return found


def activate(
    connection: sa.Connection,
    catalogue: Catalogue,
    account: str,
    pack_id: str,
    *,
    environment: str = "",
    force: bool = False,
    pack_cache: PackCache | None = None,
    actor: str,
    now: float,
) -> Active:
    """Let a version decide from the next batch on.

    Raises NotFound, Refused or PolicyUnusable; then the one before stays in force."""
    split_id(pack_id)
    usable_pack(connection, catalogue, account, pack_id, pack_cache)
    _one_at_a_time(connection, account)
    row = find_pack(connection, account, pack_id)
    problem = "" if row is None else msgspec.json.decode(row.suite)["problem"]
    if problem and not force:
        raise Refused(f"`{pack_id}` is not activated: {problem}; mend its suite, or force it")
    environment = environment_of(environment, catalogue)
    last = sa.select(sa.func.max(policy_activations.c.number)).where(policy_activations.c.account_id == account)
    connection.execute(
        policy_activations.insert().values(
            account_id=account,
            id=new_id("act", now),
            number=(connection.execute(last).scalar_one() or 0) + 1,
            environment=environment,
            pack=pack_id,
            at=int(now * 1e6),
            actor=actor,
            undone=0,
        )
    )
    return _set(
        connection,
        account,
        environment,
        pack=pack_id,
        action="policy.activated",
        actor=actor,
        now=now,
        forced=bool(problem),
    )


def roll_back(
    connection: sa.Connection,
    catalogue: Catalogue,
    account: str,
    *,
    environment: str = "",
    pack_cache: PackCache | None = None,
    actor: str,
    now: float,
) -> Active:
    """Let what decided before the last activation decide again. Raises Refused where there was none, or where what was
    there before cannot be used any more."""
    environment = environment_of(environment, catalogue)
    table = policy_activations
    _one_at_a_time(connection, account)
    stack = _stack(connection, account, environment)
    if not stack:
        raise Refused("nothing was activated here that could be rolled back")
    before = stack[1].pack if len(stack) > 1 else ""
    if before:
        usable_pack(connection, catalogue, account, before, pack_cache)
    connection.execute(table.update().where(table.c.account_id == account, table.c.id == stack[0].id).values(undone=1))
    return _set(
        connection,
        account,
        environment,
        pack=before,
        action="policy.rolled_back",
        actor=actor,
        now=now,
        undone=stack[0].pack,
    )


def _stack(connection: sa.Connection, account: str, environment: str) -> Sequence[Any]:
    """The last two activations that stand, the last one first."""
    table = policy_activations
    return connection.execute(
        sa.select(table.c.id, table.c.pack)
        .where(table.c.account_id == account, table.c.environment == environment, table.c.undone == 0)
        .order_by(table.c.number.desc())
        .limit(2)
    ).all()


def before_last(connection: sa.Connection, catalogue: Catalogue, account: str, environment: str) -> str:
    """What a rollback would let decide: `name@version`, empty for the default or where there is none."""
    stack = _stack(connection, account, environment_of(environment, catalogue))
    return str(stack[1].pack) if len(stack) > 1 else ""


def set_shadow(
    connection: sa.Connection,
    catalogue: Catalogue,
    account: str,
    pack_id: str,
    *,
    environment: str = "",
    pack_cache: PackCache | None = None,
    actor: str,
    now: float,
) -> Active:
    """Let a candidate decide beside what is active, without effect; empty ends it.

    Raises NotFound, Refused or PolicyUnusable."""
    if pack_id:
        split_id(pack_id)
        usable_pack(connection, catalogue, account, pack_id, pack_cache)
    _one_at_a_time(connection, account)
    environment = environment_of(environment, catalogue)
    return _set(connection, account, environment, shadow=pack_id, action="policy.shadowed", actor=actor, now=now)


def _set(
    connection: sa.Connection,
    account: str,
    environment: str,
    *,
    action: str,
    actor: str,
    now: float,
    pack: str | None = None,
    shadow: str | None = None,
    **data: Any,
) -> Active:
    wanted = sa.and_(policy_active.c.account_id == account, policy_active.c.environment == environment)
    row = connection.execute(sa.select(policy_active).where(wanted)).first()
    before = Active("", "") if row is None else Active(row.pack, row.shadow)
    after = Active(before.pack if pack is None else pack, before.shadow if shadow is None else shadow)
    connection.execute(policy_active.delete().where(wanted))
    if after != Active("", ""):
        connection.execute(
            policy_active.insert().values(
                account_id=account, environment=environment, pack=after.pack, shadow=after.shadow
            )
        )
    target = after.pack if shadow is None else after.shadow
    record_event(
        connection,
        account=account,
        actor=actor,
        action=action,
        target=target or DEFAULT,
        now=now,
        environment=environment,
        before=before.pack if shadow is None else before.shadow,
        **data,
    )
    raise_epoch(connection)
    return after


def activations(connection: sa.Connection, account: str, limit: int = 100) -> list[Activation]:
    """What was activated, newest first."""
    table = policy_activations
    query = sa.select(table).where(table.c.account_id == account).order_by(table.c.number.desc()).limit(limit)
    return [Activation(**row._mapping) for row in connection.execute(query)]
