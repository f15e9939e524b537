"""`stage0 account`: accounts and their plans."""

from __future__ import annotations

import click

from stage0.cli.local import actor, transaction


@click.group()
def account() -> None:
    """Accounts and their plans."""


@account.command("create")
@click.argument("name")
@click.option("--plan", default="free", show_default=True, help="free, starter, pro or enterprise.")
@click.option("--timezone", default="UTC", show_default=True, help="IANA time zone of its change windows.")
def create(name: str, plan: str, timezone: str) -> None:
    """Create an account."""
    from stage0.ledger.accounts import create_account

    with transaction() as (connection, _, now):
        made = create_account(connection, name=name, plan=plan, timezone=timezone, actor=actor(), now=now)
    click.echo(f"{made.id}  {made.name}  {made.plan}  {made.timezone}")


@account.command("list")
def list_() -> None:
    """List accounts."""
    from stage0.ledger.accounts import list_accounts

    with transaction() as (connection, _, _now):
        found = list_accounts(connection)
    for each in found:
        click.echo(f"{each.id}  {each.name}  {each.plan}  {each.timezone}")


@account.command("plan")
@click.argument("account_name")
@click.argument("plan")
def plan(account_name: str, plan: str) -> None:
    """Put an account on another plan; takes effect with the next check."""
    from stage0.ledger.accounts import change_plan

    with transaction() as (connection, _, now):
        change_plan(connection, account=account_name, plan=plan, actor=actor(), now=now)
    click.echo(f"{account_name} is on {plan}")
