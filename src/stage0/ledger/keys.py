"""API keys: shown once, kept as a keyed hash, bound to scopes, roles, environments, a pack and a mode."""

from __future__ import annotations

import secrets
import string
import zlib
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from stage0.core.request import Caller
from stage0.ledger.errors import NotFound, Refused
from stage0.ledger.events import raise_epoch, record_event
from stage0.ledger.ids import new_id
from stage0.ledger.keyring import Keyring
from stage0.ledger.schema import accounts, api_keys
from stage0.policy import PLANS, Plan, shipped_packs

SCOPES: Final = ("check", "read", "policy:write", "policy:pin", "admin")
Mode = Literal["live", "test"]
Status = Literal["active", "disabled", "revoked", "expired"]

_ALPHABET: Final = string.digits + string.ascii_letters
_RANDOM: Final = 32
_CHECKSUM: Final = 6
DEFAULT_PACK: Final = "stage0-default"


class Key(msgspec.Struct, frozen=True):
    """A key and what is known of its account: everything that a check needs. `expires_at`: Unix microseconds."""

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
    keyring: Keyring,
    *,
    account: str,
    actor: str,
    now: float,
    name: str = "",
    scopes: Sequence[str] = ("check",),
    roles: Sequence[str] = (),
    environments: Sequence[str] = (),
    pack: str = DEFAULT_PACK,
    mode: Mode = "live",
    text: str | None = None,
    expires_at: float | None = None,
) -> tuple[Key, str]:
    """Create a key and give its text, this once. `text` sets it (20 or more characters). Raises Refused."""
    for scope in scopes:
        if scope not in SCOPES:
            raise Refused(f"there is no scope `{scope}`; scopes are {', '.join(SCOPES)}")
    if pack not in shipped_packs():
        raise Refused(f"there is no pack `{pack}`; packs are {', '.join(sorted(shipped_packs()))}")
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
    )
    raise_epoch(connection)
    return get_key(connection, identifier), text


def _hint(text: str) -> str:
    """Enough of a key to tell it from others, and no more."""
    return f"{text[:8]}…{text[-4:]}" if text.startswith("s0_") else f"{text[:2]}…{text[-2:]}"


def _list(values: Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


_SELECT: Final = sa.select(api_keys, accounts.c.plan, accounts.c.timezone).join(
    accounts, accounts.c.id == api_keys.c.account_id
)


def key_by_text(connection: sa.Connection, keyring: Keyring, text: str) -> Key | None:
    """The key with this text, under any root; None where there is none."""
    row = connection.execute(_SELECT.where(api_keys.c.hash.in_(keyring.hashes(text)))).first()
    return None if row is None else _key(row)


def get_key(connection: sa.Connection, identifier: str) -> Key:
    """A key by id. Raises NotFound."""
    row = connection.execute(_SELECT.where(api_keys.c.id == identifier)).first()
    if row is None:
        raise NotFound(f"there is no key `{identifier}`; `stage0 keys list` shows them")
    return _key(row)


def get_keys(connection: sa.Connection, identifiers: Sequence[str]) -> dict[str, Key]:
    """Keys by id, those that there are."""
    rows = connection.execute(_SELECT.where(api_keys.c.id.in_(identifiers)))
    return {row.id: _key(row) for row in rows}


def list_keys(connection: sa.Connection, account: str | None = None) -> list[Key]:
    """Keys of an account, or of all, oldest first."""
    query = _SELECT.order_by(api_keys.c.id)
    if account is not None:
        query = query.where(api_keys.c.account_id == account)
    return [_key(row) for row in connection.execute(query)]


def set_key_status(connection: sa.Connection, identifier: str, status: Status, *, actor: str, now: float) -> Key:
    """Disable, enable or revoke a key; revoked is for good. Takes effect with every process's next batch."""
    key = get_key(connection, identifier)
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
    return get_key(connection, identifier)


def rotate_key(
    connection: sa.Connection, keyring: Keyring, identifier: str, *, actor: str, now: float, grace_seconds: float = 0
) -> tuple[Key, str]:
    """A new key like an old one, which is revoked at once or runs out after `grace_seconds`."""
    old = get_key(connection, identifier)
    status = old.status_at(now)
    if status != "active":
        raise Refused(f"key `{identifier}` is {status}; only an active key can be rotated")
    new, text = create_key(
        connection,
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


def _key(row: Any) -> Key:
    decode = msgspec.json.decode
    environments = tuple(decode(row.environments))
    return Key(
        account=row.account_id,
        id=row.id,
        name=row.name,
        hint=row.hint,
        scopes=frozenset(decode(row.scopes)),
        pack=row.pack,
        mode=row.mode,
        status=row.status,
        plan=PLANS[row.plan],
        plan_name=row.plan,
        caller=Caller(
            account=row.account_id,
            roles=tuple(decode(row.roles)),
            environments=environments,
            test_mode=row.mode == "test",
            timezone=row.timezone,
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
