"""`stage0 stop`, `stage0 resume` and `stage0 stops`: the kill switch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from stage0.cli.local import actor, transaction

if TYPE_CHECKING:
    from stage0.ledger.access import Connection
    from stage0.ledger.stops import Kind

_reason = click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the stop.")
_account = click.option("--account", "account_name", required=True, help="Name or id of the agent's account.")


@click.group()
def stop() -> None:
    """Stop an account, a key or an agent: every check is DENY from the next one on."""


@stop.command("account")
@click.argument("name")
@_reason
def stop_account(name: str, reason: str) -> None:
    """Stop everything of an account."""
    _stop("account", name, reason)


@stop.command("key")
@click.argument("key_id")
@_reason
def stop_key(key_id: str, reason: str) -> None:
    """Stop whoever uses a key."""
    _stop("key", key_id, reason)


@stop.command("agent")
@click.argument("name")
@_account
@_reason
def stop_agent(name: str, account_name: str, reason: str) -> None:
    """Stop an agent, by the name that it gives itself and through the keys that are bound to it."""
    _stop("agent", name, reason, account_name)


@click.group()
def resume() -> None:
    """Let go on what was stopped."""


@resume.command("account")
@click.argument("name")
def resume_account(name: str) -> None:
    """Let an account go on; keys and agents of it that are stopped themselves stay so."""
    _resume("account", name)


@resume.command("key")
@click.argument("key_id")
def resume_key(key_id: str) -> None:
    """Let a key go on."""
    _resume("key", key_id)


@resume.command("agent")
@click.argument("name")
@_account
def resume_agent(name: str, account_name: str) -> None:
    """Let an agent go on."""
    _resume("agent", name, account_name)


@click.command()
@click.option("--account", "account_name", default=None, help="Name or id of the account; all where left out.")
def stops(account_name: str | None) -> None:
    """List what is stopped, since when, by whom and why."""
    from stage0.ledger.accounts import find_account, list_accounts
    from stage0.ledger.stops import list_stops

    with transaction() as (connection, _, _, _now):
        names = {account.id: account.name for account in list_accounts(connection)}
        found = list_stops(connection, None if account_name is None else find_account(connection, account_name).id)
    for each in found:
        since = datetime.fromtimestamp(each.at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        account = names[each.account_id]
        target = account if each.kind == "account" else each.target
        click.echo(f"{since}  {account}  {each.kind}  {target}  {each.actor}  {each.reason}".rstrip())


def _stop(kind: Kind, target: str, reason: str, account_name: str = "") -> None:
    from stage0.ledger.stops import stop

    with transaction() as (connection, _, _, now):
        account = _account_of(connection, kind, target, account_name)
        kept = stop(
            connection,
            account=account,
            kind=kind,
            target=target,
            actor=actor(),
            now=now,
            reason=reason,
        )
    click.echo(f"{kind} {target if kind == 'account' else kept} is stopped")


def _resume(kind: Kind, target: str, account_name: str = "") -> None:
    from stage0.ledger.stops import resume

    with transaction() as (connection, _, _, now):
        account = _account_of(connection, kind, target, account_name)
        kept = resume(connection, account=account, kind=kind, target=target, actor=actor(), now=now)
    click.echo(f"{kind} {target if kind == 'account' else kept} goes on")


def _account_of(connection: Connection, kind: Kind, target: str, account_name: str) -> str:
    """The id of the account that a stop belongs to."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import owner_of

    if kind == "key":
        return owner_of(connection, target)[0]
    return find_account(connection, target if kind == "account" else account_name).id
