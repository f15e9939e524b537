"""All commands, put together."""

from __future__ import annotations

import click

from stage0.cli.accounts import account
from stage0.cli.backup import backup, restore
from stage0.cli.cases import cases
from stage0.cli.check import catalog, check
from stage0.cli.explain import explain
from stage0.cli.export import export
from stage0.cli.groups import groups
from stage0.cli.keys import keys
from stage0.cli.policy import policy
from stage0.cli.policy_history import replay_proof
from stage0.cli.serve import dev, migrate, serve
from stage0.cli.stops import resume, stop, stops


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="stage0")
def cli() -> None:
    """Runtime authorization for AI agents: before a tool runs, Stage0 says ALLOW, DENY or DEFER."""


for command in (
    dev,
    serve,
    migrate,
    account,
    groups,
    keys,
    stop,
    resume,
    stops,
    check,
    explain,
    cases,
    catalog,
    policy,
    replay_proof,
    export,
    backup,
    restore,
):
    cli.add_command(command)
