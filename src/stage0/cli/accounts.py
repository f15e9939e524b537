"""`stage0 account`: accounts, their plans and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from stage0.cli.limits import Given, any_given, limit_options, of_row, over, shown
from stage0.cli.local import actor, transaction

if TYPE_CHECKING:
    from stage0.ledger.accounts import Account


@click.group()
def account() -> None:
    """Accounts, their plans and limits."""


@account.command("create")
@click.argument("name")
@click.option("--plan", default="free", show_default=True, help="free, starter, pro or enterprise.")
@click.option("--timezone", default="UTC", show_default=True, help="IANA time zone of its change windows.")
def create(name: str, plan: str, timezone: str) -> None:
    """Create an account."""
    from stage0.ledger.accounts import create_account

    with transaction() as (connection, catalogue, _, now):
        made = create_account(connection, catalogue, name=name, plan=plan, timezone=timezone, actor=actor(), now=now)
    click.echo(_line(made))


@account.command("list")
def list_() -> None:
    """List accounts."""
    from stage0.ledger.accounts import list_accounts

    with transaction() as (connection, _, _, _now):
        found = list_accounts(connection)
    for each in found:
        click.echo(_line(each))


def _line(account: Account) -> str:
    """An account, for how long it keeps records, and the limits that it has instead of its plan's."""
    line = f"{account.id}  {account.name}  {account.plan}  {account.timezone}  {account.retention_days} days"
    limits = shown(of_row(account))
    return f"{line}  limits={limits}" if limits else line


@account.command("plan")
@click.argument("account_name")
@click.argument("plan")
def plan(account_name: str, plan: str) -> None:
    """Put an account on another plan; takes effect with the next check."""
    from stage0.ledger.accounts import change_plan

    with transaction() as (connection, catalogue, _, now):
        change_plan(connection, catalogue, account=account_name, plan=plan, actor=actor(), now=now)
    click.echo(f"{account_name} is on {plan}")


@account.command("limits")
@click.argument("account_name")
@limit_options
@click.option("--plan", "plans", is_flag=True, help="The plan's again, but for those given here.")
def limits(account_name: str, plans: bool, **given: Unpack[Given]) -> None:
    """Set what each key or usage group of an account may use, instead of its plan's; takes effect at once.

    A limit that is not given stays as it is.
    """
    from stage0.ledger.accounts import change_limits, find_account
    from stage0.ledger.usage import Limits

    if not plans and not any_given(given):
        raise click.UsageError("nothing to change: give --per-month, --per-day, --per-minute or --plan")
    with transaction() as (connection, _, _, now):
        present = Limits() if plans else of_row(find_account(connection, account_name))
        wanted = over(present, given)
        change_limits(connection, account=account_name, limits=wanted, actor=actor(), now=now)
    own = shown(wanted)
    click.echo(f"{account_name} has {f'{own}, else its' if own else 'its'} plan's limits")


@account.command("retention")
@click.argument("account_name")
@click.argument("days", type=int)
def retention(account_name: str, days: int) -> None:
    """Set for how many days an account's records are kept."""
    from stage0.ledger.accounts import change_retention

    with transaction() as (connection, _, _, now):
        change_retention(connection, account=account_name, days=days, actor=actor(), now=now)
    click.echo(f"{account_name} keeps records for {days} days")
