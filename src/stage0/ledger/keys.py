"""API keys: shown once, kept as a keyed hash, bound to scopes, roles, environments, an agent, a pack and limits."""

from __future__ import annotations

import posixpath
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from stage0.ledger.catalogue import Catalogue
from stage0.ledger.errors import NotFound, PolicyUnusable, Refused
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.ids import new_id
from stage0.ledger.keyring import Keyring
from stage0.ledger.packs import usable_pack
from stage0.ledger.plans import UNLIMITED, Plan, Plans
from stage0.ledger.schema import accounts, api_keys, usage_groups
from stage0.ledger.usage import Limits
from stage0.reading.request import Caller
from stage0.wire import Enforcement

SCOPES: Final = ("check", "read", "policy:write", "policy:pin", "admin")
Mode = Literal["live", "test"]
Status = Literal["active", "disabled", "revoked", "expired"]

_ALPHABET: Final = string.digits + string.ascii_letters
_RANDOM: Final = 32
_CHECKSUM: Final = 6
#: How the usage of a group is told from that of a key.
GROUP: Final = "group:"


class Key(msgspec.Struct, frozen=True):
    """A key and what is known of its account: everything that a check needs. `expires_at`: Unix microseconds.

    `holders` are who a check counts for, each with its limits: the key, and the usage group that it shares."""

    account: str
    id: str
    name: str
    hint: str
    scopes: frozenset[str]
    pack: str
    mode: Mode
    status: Status
    plan: Plan
    plan_name: str
    caller: Caller
    created_at: int
    expires_at: int | None
    enforcement: Enforcement
    group: str
    own: Limits
    holders: tuple[tuple[str, Limits], ...]

    @property
    def actor(self) -> str:
        """How events name this key."""
        return f"key:{self.id}"

    def status_at(self, now: float) -> Status:
        """The status at a time in Unix seconds: an active key whose time is up is expired."""
        if self.status == "active" and self.expires_at is not None and now * 1e6 >= self.expires_at:
            return "expired"
        return self.status


def new_key_text(mode: Mode) -> str:
    """A new key: `s0_live_` or `s0_test_`, 32 random characters, and a checksum that scanners can verify."""
    body = f"s0_{mode}_{''.join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))}"
    return body + checksum(body)


def checksum(text: str) -> str:
    """CRC-32 of a text in six base-62 digits."""
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits


def well_formed(text: str) -> bool:
    """Whether a text can be a key of ours. Keys that an operator chose have no checksum to be wrong."""
    if text.startswith(("s0_live_", "s0_test_")) and len(text) == len("s0_live_") + _RANDOM + _CHECKSUM:
        return checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]
    return 20 <= len(text) <= 200 and text.isascii() and text.isprintable() and text == text.strip()


def create_key(
    connection: sa.Connection,
    catalogue: Catalogue,
    keyring: Keyring,
    *,
    account: str,
    actor: str,
    now: float,
    name: str = "",
    scopes: Sequence[str] = ("check",),
    roles: Sequence[str] = (),
    environments: Sequence[str] = (),
    pack: str = "",
    mode: Mode = "live",
    text: str | None = None,
    expires_at: float | None = None,
    group: str | None = None,
    limits: Limits | None = None,
    enforcement: Enforcement = "enforce",
    agent: str = "",
    workspace: Sequence[str] = (),
    holder: str = "",
) -> tuple[Key, str]:
    """Create a key and give its text, this once. `text` sets it (20 or more characters). Raises Refused.

    `limits` are the key's own, inside of its group's or account's; `agent` is the agent that alone uses it; `workspace`
    are the roots of the tree that it works in; `holder` is whose usage it goes on counting, where it replaces another
    key. `pack` is one that ships or a version that the
    account has pushed; empty follows what the account has activated."""
    for scope in scopes:
        if scope not in SCOPES:
            raise Refused(f"there is no scope `{scope}`; scopes are {', '.join(SCOPES)}")
    _check_enforcement(connection, catalogue, account, pack, enforcement)
    _check_group(connection, account, group)
    text = text or new_key_text(mode)
    if not well_formed(text):
        raise Refused("a key of your own needs 20 to 200 printable ASCII characters")
    identifier = new_id("key", now)
    connection.execute(
        api_keys.insert().values(
            account_id=account,
            id=identifier,
            name=name,
            hint=_hint(text),
            hash=keyring.hashes(text)[0],
            scopes=_list(sorted(scopes)),
            roles=_list(roles),
            environments=_list(environments),
            pack=pack,
            mode=mode,
            status="active",
            created_at=int(now * 1e6),
            expires_at=None if expires_at is None else int(expires_at * 1e6),
            holder=holder or identifier,
            usage_group=group,
            **limit_columns(limits),
            enforcement=enforcement,
            agent=agent.strip(),
            workspace=_list(_roots(workspace)),
        )
    )
    record_event(
        connection,
        account=account,
        actor=actor,
        action="key.created",
        target=identifier,
        now=now,
        scopes=sorted(scopes),
        mode=mode,
        pack=pack,
        group=group,
        enforcement=enforcement,
    )
    raise_epoch(connection)
    return get_key(connection, catalogue, identifier), text


#: Folders that are no work tree: all of a machine, all of a person, or what belongs to the system.
_NO_ROOT: Final = re.compile(
    r"/(?:home|Users)(?:/[^/]+)?|/root|/(?:etc|usr|var|bin|sbin|lib|opt|dev|proc|sys|tmp|boot|mnt|media)"
)


def _roots(workspace: Sequence[str]) -> list[str]:
    """The roots in one form. Raises Refused for one that is no folder of a work tree."""
    roots = []
    for given in workspace:
        root = posixpath.normpath(given.strip())
        # Two slashes at the front may mean something else, and are kept.
        if not root.startswith("/") or root.startswith("//") or ".." in given.split("/"):
            raise Refused(f"`{given}` is no absolute path of a folder, such as /srv/checkouts/shop")
        if root == "/" or _NO_ROOT.fullmatch(root):
            raise Refused(f"`{given}` is more than a work tree: name the folder that is checked out")
        roots.append(root)
    return roots


def _check_enforcement(
    connection: sa.Connection, catalogue: Catalogue, account: str, pack: str, enforcement: Enforcement
) -> None:
    """Raises Refused where there is no such pack, or where keys under it never only watch."""
    if not pack:
        return
    if "@" not in pack and pack not in catalogue.packs:
        names = ", ".join(sorted(catalogue.packs))
        raise Refused(f"there is no pack `{pack}`; give a version that was pushed (`name@version`) or one of {names}")
    try:
        found = usable_pack(connection, catalogue, account, pack)
    except (NotFound, PolicyUnusable) as error:
        raise Refused(str(error)) from None
    if enforcement == "observe" and not found.observe:
        raise Refused(f"a key under `{pack}` always enforces: choose another pack to watch first")


def _check_group(connection: sa.Connection, account: str, group: str | None) -> None:
    if group is None:
        return
    wanted = sa.and_(usage_groups.c.account_id == account, usage_groups.c.name == group)
    if connection.execute(sa.select(usage_groups.c.name).where(wanted)).first() is None:
        raise Refused(f"there is no usage group `{group}` in this account; `stage0 groups set` makes one")


def limit_columns(limits: Limits | None) -> dict[str, int | None]:
    """Limits as columns; null where nothing is set. Raises Refused for a negative one."""
    if limits is None:
        return {"per_month": None, "per_day": None, "per_minute": None}
    columns: dict[str, int | None] = {}
    for name, limit in (("per_month", limits.month), ("per_day", limits.day), ("per_minute", limits.minute)):
        if limit < 0:
            raise Refused(f"{name} is {limit}: a limit is 0 or more")
        columns[name] = None if limit >= UNLIMITED else limit
    return columns


def set_group(connection: sa.Connection, *, account: str, name: str, limits: Limits, actor: str, now: float) -> None:
    """Make a usage group, or give one other limits. Raises Refused."""
    if not name.strip() or name != name.strip() or len(name) > 100:
        raise Refused("a usage group needs a name of 1 to 100 characters, with no space at its ends")
    columns = limit_columns(limits)
    wanted = sa.and_(usage_groups.c.account_id == account, usage_groups.c.name == name)
    if connection.execute(usage_groups.update().where(wanted).values(**columns)).rowcount == 0:
        connection.execute(
            usage_groups.insert().values(account_id=account, name=name, created_at=int(now * 1e6), **columns)
        )
    record_event(connection, account=account, actor=actor, action="group.set", target=name, now=now, **columns)
    raise_epoch(connection)


def list_groups(connection: sa.Connection, account: str) -> list[Any]:
    """The usage groups of an account, by name: rows of `usage_groups`."""
    query = sa.select(usage_groups).where(usage_groups.c.account_id == account).order_by(usage_groups.c.name)
    return list(connection.execute(query))


def change_key(
    connection: sa.Connection,
    catalogue: Catalogue,
    identifier: str,
    *,
    actor: str,
    now: float,
    group: str | None = None,
    limits: Limits | None = None,
    enforcement: Enforcement | None = None,
    pack: str | None = None,
) -> Key:
    """Change a key's usage group (empty: none), its own limits, whether it enforces, or its pack (empty: that of its
    account); None leaves a thing as it is.

    Raises NotFound or Refused."""
    key = get_key(connection, catalogue, identifier)
    values: dict[str, Any] = {}
    if group is not None:
        _check_group(connection, key.account, group or None)
        values["usage_group"] = group or None
    if limits is not None:
        values.update(limit_columns(limits))
    if enforcement is not None or pack is not None:
        then = key.pack if pack is None else pack
        _check_enforcement(connection, catalogue, key.account, then, enforcement or key.enforcement)
    if enforcement is not None:
        values["enforcement"] = enforcement
    if pack is not None:
        values["pack"] = pack
    if not values:
        return key
    connection.execute(api_keys.update().where(api_keys.c.id == identifier).values(**values))
    record_event(
        connection, account=key.account, actor=actor, action="key.changed", target=identifier, now=now, **values
    )
    raise_epoch(connection)
    return get_key(connection, catalogue, identifier)


def _hint(text: str) -> str:
    """Enough of a key to tell it from others, and no more."""
    return f"{text[:8]}…{text[-4:]}" if text.startswith("s0_") else f"{text[:2]}…{text[-2:]}"


def _list(values: Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


_SELECT: Final = (
    sa.select(
        api_keys,
        accounts.c.plan,
        accounts.c.timezone,
        *[accounts.c[name].label(f"account_{name}") for name in ("per_month", "per_day", "per_minute")],
        *[usage_groups.c[name].label(f"group_{name}") for name in ("per_month", "per_day", "per_minute")],
    )
    .join(accounts, accounts.c.id == api_keys.c.account_id)
    .outerjoin(
        usage_groups,
        sa.and_(usage_groups.c.account_id == api_keys.c.account_id, usage_groups.c.name == api_keys.c.usage_group),
    )
)


def key_by_text(connection: sa.Connection, catalogue: Catalogue, keyring: Keyring, text: str) -> Key | None:
    """The key with this text, under any root; None where there is none."""
    row = connection.execute(_SELECT.where(api_keys.c.hash.in_(keyring.hashes(text)))).first()
    return None if row is None else key_of(row, catalogue.plans)


def get_key(connection: sa.Connection, catalogue: Catalogue, identifier: str) -> Key:
    """A key by id. Raises NotFound."""
    row = connection.execute(_SELECT.where(api_keys.c.id == identifier)).first()
    if row is None:
        raise _unknown(identifier)
    return key_of(row, catalogue.plans)


def owner_of(connection: sa.Connection, identifier: str) -> tuple[str, str]:
    """The account of a key, and the holder that its checks count for. Raises NotFound."""
    row = connection.execute(_SELECT.where(api_keys.c.id == identifier)).first()
    if row is None:
        raise _unknown(identifier)
    return row.account_id, row.holder or row.id


def _unknown(identifier: str) -> NotFound:
    return NotFound(f"there is no key `{identifier}`; `stage0 keys list` shows them")


def list_keys(connection: sa.Connection, catalogue: Catalogue, account: str | None = None) -> list[Key]:
    """Keys of an account, or of all, oldest first."""
    query = _SELECT.order_by(api_keys.c.id)
    if account is not None:
        query = query.where(api_keys.c.account_id == account)
    return [key_of(row, catalogue.plans) for row in connection.execute(query)]


def set_key_status(
    connection: sa.Connection, catalogue: Catalogue, identifier: str, status: Status, *, actor: str, now: float
) -> Key:
    """Disable, enable or revoke a key; revoked is for good. Takes effect with every process's next batch."""
    key = get_key(connection, catalogue, identifier)
    if key.status == "revoked":
        raise Refused(f"key `{identifier}` is revoked, which is for good: create another")
    connection.execute(api_keys.update().where(api_keys.c.id == identifier).values(status=status))
    record_event(
        connection,
        account=key.account,
        actor=actor,
        action=f"key.{status}",
        target=identifier,
        now=now,
        before=key.status,
    )
    raise_epoch(connection)
    return get_key(connection, catalogue, identifier)


def rotate_key(
    connection: sa.Connection,
    catalogue: Catalogue,
    keyring: Keyring,
    identifier: str,
    *,
    actor: str,
    now: float,
    grace_seconds: float = 0,
) -> tuple[Key, str]:
    """A new key like an old one, which is revoked at once or runs out after `grace_seconds`."""
    old = get_key(connection, catalogue, identifier)
    status = old.status_at(now)
    if status != "active":
        raise Refused(f"key `{identifier}` is {status}; only an active key can be rotated")
    new, text = create_key(
        connection,
        catalogue,
        keyring,
        account=old.account,
        actor=actor,
        now=now,
        name=old.name,
        scopes=sorted(old.scopes),
        roles=old.caller.roles,
        environments=old.caller.environments,
        pack=old.pack,
        mode=old.mode,
        group=old.group or None,
        limits=old.own,
        enforcement=old.enforcement,
        agent=old.caller.agent,
        workspace=old.caller.workspace,
        holder=old.holders[0][0],
    )
    if grace_seconds > 0:
        ends = int((now + grace_seconds) * 1e6)
        ends = ends if old.expires_at is None else min(ends, old.expires_at)
        connection.execute(api_keys.update().where(api_keys.c.id == identifier).values(expires_at=ends))
    else:
        connection.execute(api_keys.update().where(api_keys.c.id == identifier).values(status="revoked"))
    record_event(
        connection,
        account=old.account,
        actor=actor,
        action="key.rotated",
        target=identifier,
        now=now,
        successor=new.id,
        grace_seconds=grace_seconds,
    )
    return new, text


def key_of(row: Any, plans: Plans) -> Key:
    """A key from its row (`store.KeyRow`, or one of SQLAlchemy with the same names). Raises Refused."""
    decode = msgspec.json.decode
    environments = tuple(decode(row.environments))
    plan = plans.get(row.plan)
    if plan is None:
        raise Refused(f"an account is on the plan `{row.plan}`, which the file of plans does not hold")
    own = _limits(row.per_month, row.per_day, row.per_minute, Limits())
    return Key(
        account=row.account_id,
        id=row.id,
        name=row.name,
        hint=row.hint,
        scopes=frozenset(decode(row.scopes)),
        pack=row.pack,
        mode=row.mode,
        status=row.status,
        plan=plan,
        plan_name=row.plan,
        caller=Caller(
            account=row.account_id,
            roles=tuple(decode(row.roles)),
            environments=environments,
            test_mode=row.mode == "test",
            timezone=row.timezone,
            agent=row.agent,
            workspace=tuple(decode(row.workspace)),
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        enforcement=row.enforcement,
        group=row.usage_group or "",
        own=own,
        holders=_holders(row, plan, own),
    )


def _limits(month: int | None, day: int | None, minute: int | None, otherwise: Limits) -> Limits:
    return Limits(
        otherwise.month if month is None else month,
        otherwise.day if day is None else day,
        otherwise.minute if minute is None else minute,
    )


def _holders(row: Any, plan: Plan, own: Limits) -> tuple[tuple[str, Limits], ...]:
    """Who a check counts for. A key in a group has its own limits inside of the group's; one without a group has the
    account's, or its own where they are lower."""
    of_plan = Limits(plan.per_month, plan.per_day, plan.per_minute)
    envelope = _limits(row.account_per_month, row.account_per_day, row.account_per_minute, of_plan)
    if row.usage_group:
        group = _limits(row.group_per_month, row.group_per_day, row.group_per_minute, envelope)
        return ((row.holder, own), (f"{GROUP}{row.usage_group}", group))
    lower = Limits(min(own.month, envelope.month), min(own.day, envelope.day), min(own.minute, envelope.minute))
    return ((row.holder, lower),)
