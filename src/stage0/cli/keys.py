"""`stage0 keys`: API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from stage0.cli.local import actor, transaction

if TYPE_CHECKING:
    from stage0.ledger.keys import Key, Status


@click.group()
def keys() -> None:
    """API keys: shown once, stored as a keyed hash."""


@keys.command("create")
@click.option("--account", "account_name", required=True, help="Name or id of the account.")
@click.option("--name", default="", help="What it is for.")
@click.option("--scope", "scopes", multiple=True, help="check, read, policy:write, policy:pin, admin; default check.")
@click.option("--role", "roles", multiple=True, help="Bind a role: verified, and no other counts.")
@click.option("--environment", "environments", multiple=True, help="Bind an environment: it always counts.")
@click.option("--pack", default="stage0-default", show_default=True, help="The policy pack that decides.")
@click.option("--test", "test_mode", is_flag=True, help="Test mode: `context.current_time` is the clock.")
def create(
    account_name: str,
    name: str,
    scopes: tuple[str, ...],
    roles: tuple[str, ...],
    environments: tuple[str, ...],
    pack: str,
    test_mode: bool,
) -> None:
    """Create a key and print it, this once."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import create_key

    mode: Literal["live", "test"] = "test" if test_mode else "live"
    with transaction() as (connection, keyring, now):
        found = find_account(connection, account_name)
        key, text = create_key(
            connection,
            keyring,
            account=found.id,
            actor=actor(),
            now=now,
            name=name,
            scopes=scopes or ("check",),
            roles=roles,
            environments=environments,
            pack=pack,
            mode=mode,
        )
    click.echo(f"{key.id} of {found.name}; the key, shown this once:", err=True)
    click.echo(text)


@keys.command("list")
@click.option("--account", "account_name", default=None, help="Name or id of the account; all where left out.")
def list_(account_name: str | None) -> None:
    """List keys, never their text."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import list_keys

    with transaction() as (connection, _, now):
        wanted = None if account_name is None else find_account(connection, account_name).id
        found = list_keys(connection, wanted)
    for key in found:
        click.echo(_line(key, key.status_at(now)))


def _line(key: Key, status: str) -> str:
    scopes = ",".join(sorted(key.scopes))
    return f"{key.id}  {key.hint}  {status:8}  {key.mode}  {key.pack}  {scopes}  {key.name}".rstrip()


@keys.command("rotate")
@click.argument("key_id")
@click.option("--grace", default=0, show_default=True, help="Seconds for which the old key still works.")
def rotate(key_id: str, grace: int) -> None:
    """Replace a key by a new one with the same rights."""
    from stage0.ledger.keys import rotate_key

    with transaction() as (connection, keyring, now):
        key, text = rotate_key(connection, keyring, key_id, actor=actor(), now=now, grace_seconds=grace)
    click.echo(f"{key.id} replaces {key_id}; the key, shown this once:", err=True)
    click.echo(text)


def _set(key_id: str, status: Status) -> None:
    from stage0.ledger.keys import set_key_status

    with transaction() as (connection, _, now):
        key = set_key_status(connection, key_id, status, actor=actor(), now=now)
    click.echo(f"{key.id} is {key.status}")


@keys.command("revoke")
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke a key for good, from the very next check on."""
    _set(key_id, "revoked")


@keys.command("disable")
@click.argument("key_id")
def disable(key_id: str) -> None:
    """Disable a key until it is enabled again."""
    _set(key_id, "disabled")


@keys.command("enable")
@click.argument("key_id")
def enable(key_id: str) -> None:
    """Enable a disabled key."""
    _set(key_id, "active")
