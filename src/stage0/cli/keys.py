"""`stage0 keys`: API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack

import click

from stage0.cli.limits import Given, any_given, limit_options, over, shown
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
@click.option(
    "--pack", default="", metavar="PACK", help="Its own pack (a shipped name, or NAME@VERSION); else its account's."
)
@click.option("--test", "test_mode", is_flag=True, help="Test mode: `context.current_time` is the clock.")
@click.option("--group", default=None, metavar="NAME", help="The usage group that it shares.")
@limit_options
@click.option("--observe", is_flag=True, help="Only watch: the client's guard stops nothing.")
@click.option("--agent", default=None, metavar="NAME", help="The one agent that uses it.")
@click.option("--workspace", multiple=True, metavar="ROOT", help="The work tree it works in (pack coding-agent).")
def create(
    account_name: str,
    name: str,
    scopes: tuple[str, ...],
    roles: tuple[str, ...],
    environments: tuple[str, ...],
    pack: str,
    test_mode: bool,
    group: str | None,
    observe: bool,
    agent: str | None,
    workspace: tuple[str, ...],
    **given: Unpack[Given],
) -> None:
    """Create a key and print it, this once."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import create_key
    from stage0.ledger.usage import Limits

    if agent is not None:
        _check_agent(agent)
    mode: Literal["live", "test"] = "test" if test_mode else "live"
    with transaction() as (connection, catalogue, keyring, now):
        found = find_account(connection, account_name)
        key, text = create_key(
            connection,
            catalogue,
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
            group=group,
            limits=over(Limits(), given),
            enforcement="observe" if observe else "enforce",
            agent=agent or "",
            workspace=workspace,
        )
    click.echo(f"{key.id} of {found.name}; the key, shown this once:", err=True)
    click.echo(text)


def _check_agent(name: str) -> None:
    """Ends the command where nobody could ever stop an agent of this name."""
    from stage0.ledger.stops import agent_key

    if not agent_key(name):
        raise click.UsageError(f"--agent `{name}` is no name; leave --agent out for a key of several agents")


@keys.command("set")
@click.argument("key_id")
@click.option("--group", default=None, metavar="NAME", help="The usage group that it shares.")
@click.option("--no-group", is_flag=True, help="A usage of its own.")
@limit_options
@click.option("--no-limits", is_flag=True, help="No limits of its own but those given here.")
@click.option("--observe/--enforce", default=None, help="Only watch, or enforce.")
@click.option("--pack", default=None, metavar="PACK", help="Its own pack: a shipped name, or NAME@VERSION.")
@click.option("--no-pack", is_flag=True, help="Its account's pack.")
def set_(
    key_id: str,
    group: str | None,
    no_group: bool,
    no_limits: bool,
    observe: bool | None,
    pack: str | None,
    no_pack: bool,
    **given: Unpack[Given],
) -> None:
    """Change a key's usage group, limits, pack, or whether it enforces; what is not given stays as it is."""
    from stage0.ledger.keys import change_key, get_key
    from stage0.ledger.usage import Limits

    if group is not None and (no_group or not group):
        raise click.UsageError("--group needs a name, and --no-group stands alone")
    limited = no_limits or any_given(given)
    if pack is not None and (no_pack or not pack):
        raise click.UsageError("--pack needs a name, and --no-pack stands alone")
    if group is None and not no_group and not limited and observe is None and pack is None and not no_pack:
        raise click.UsageError("nothing to change: give a group, limits, a pack, --observe or --enforce")
    with transaction() as (connection, catalogue, _, now):
        present = Limits() if no_limits else get_key(connection, catalogue, key_id).own
        key = change_key(
            connection,
            catalogue,
            key_id,
            actor=actor(),
            now=now,
            group="" if no_group else group,
            limits=over(present, given) if limited else None,
            enforcement=None if observe is None else "observe" if observe else "enforce",
            pack="" if no_pack else pack,
        )
    click.echo(_line(key, key.status_at(now)))


@keys.command("list")
@click.option("--account", "account_name", default=None, help="Name or id of the account; all where left out.")
def list_(account_name: str | None) -> None:
    """List keys, never their text."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import list_keys

    with transaction() as (connection, catalogue, _, now):
        wanted = None if account_name is None else find_account(connection, account_name).id
        found = list_keys(connection, catalogue, wanted)
    for key in found:
        click.echo(_line(key, key.status_at(now)))


def _line(key: Key, status: str) -> str:
    limits = shown(key.own)
    parts = [
        key.id,
        key.hint,
        f"{status:8}",
        key.mode,
        key.pack or "account",
        ",".join(sorted(key.scopes)),
        f"group={key.group}" if key.group else "",
        f"limits={limits}" if limits else "",
        "observe" if key.enforcement == "observe" else "",
        f"agent={key.caller.agent}" if key.caller.agent else "",
        f"workspace={','.join(key.caller.workspace)}" if key.caller.workspace else "",
        key.name,
    ]
    return "  ".join(part for part in parts if part)


@keys.command("rotate")
@click.argument("key_id")
@click.option("--grace", default=0, show_default=True, help="Seconds for which the old key still works.")
def rotate(key_id: str, grace: int) -> None:
    """Replace a key by a new one with the same rights."""
    from stage0.ledger.keys import rotate_key

    with transaction() as (connection, catalogue, keyring, now):
        key, text = rotate_key(connection, catalogue, keyring, key_id, actor=actor(), now=now, grace_seconds=grace)
    click.echo(f"{key.id} replaces {key_id}; the key, shown this once:", err=True)
    click.echo(text)


def _set(key_id: str, status: Status) -> None:
    from stage0.ledger.keys import set_key_status

    with transaction() as (connection, catalogue, _, now):
        key = set_key_status(connection, catalogue, key_id, status, actor=actor(), now=now)
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


@keys.command("reset-usage")
@click.argument("key_id")
@click.option("--all", "everything", is_flag=True, help="The windows that are running, too.")
def reset_usage_(key_id: str, everything: bool) -> None:
    """Begin the windows of a key anew that lie in the future, since a clock had jumped ahead."""
    from stage0.ledger.keys import get_key
    from stage0.ledger.usage import reset_usage

    with transaction() as (connection, catalogue, _, now):
        key = get_key(connection, catalogue, key_id)
        holder, _limits = key.holders[0]
        reset_usage(connection, key.account, holder, everything=everything, actor=actor(), now=now)
    click.echo(f"{key.id}: windows begun anew")
