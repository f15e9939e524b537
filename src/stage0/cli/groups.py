"""`stage0 groups`: usage groups, whose keys share one envelope of checks."""

from __future__ import annotations

from typing import Final, Unpack

import click

from stage0.cli.limits import Given, any_given, limit_options, of_row, over, shown
from stage0.cli.local import actor, transaction

#: What a group without limits of its own has.
_NONE: Final = "the account's limits"


@click.group()
def groups() -> None:
    """Usage groups: keys that share one envelope of checks."""


@groups.command("set")
@click.argument("name")
@click.option("--account", "account_name", required=True, help="Name or id of the account.")
@limit_options
@click.option("--no-limits", is_flag=True, help="None but those given here: else the account's.")
def set_(name: str, account_name: str, no_limits: bool, **given: Unpack[Given]) -> None:
    """Make a usage group, or change its limits; one that is not given stays as it is."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import list_groups, set_group
    from stage0.ledger.usage import Limits

    with transaction() as (connection, _, _, now):
        found = find_account(connection, account_name)
        present = [of_row(group) for group in list_groups(connection, found.id) if group.name == name]
        if present and not no_limits and not any_given(given):
            raise click.UsageError(f"the group `{name}` is there already: say which limit to change, or --no-limits")
        limits = over(present[0] if present and not no_limits else Limits(), given)
        set_group(connection, account=found.id, name=name, limits=limits, actor=actor(), now=now)
    click.echo(f"{name}  {shown(limits) or _NONE}")


@groups.command("list")
@click.option("--account", "account_name", required=True, help="Name or id of the account.")
def list_(account_name: str) -> None:
    """List the usage groups of an account."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import list_groups

    with transaction() as (connection, _, _, _now):
        found = list_groups(connection, find_account(connection, account_name).id)
    for group in found:
        click.echo(f"{group.name}  {shown(of_row(group)) or _NONE}")


@groups.command("reset-usage")
@click.argument("name")
@click.option("--account", "account_name", required=True, help="Name or id of the account.")
@click.option("--all", "everything", is_flag=True, help="The windows that are running, too.")
def reset_usage_(name: str, account_name: str, everything: bool) -> None:
    """Begin the windows of a usage group anew that lie in the future, since a clock had jumped ahead."""
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import GROUP
    from stage0.ledger.usage import reset_usage

    with transaction() as (connection, _, _, now):
        account = find_account(connection, account_name).id
        reset_usage(connection, account, f"{GROUP}{name}", everything=everything, actor=actor(), now=now)
    click.echo(f"{name}: windows begun anew")
