"""`stage0 policy` on a server, over HTTP: push, activate, roll back, shadow, list, show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from stage0.client import Client

F = TypeVar("F", bound=Callable[..., Any])


def on_a_server(command: F) -> F:
    """The options that say which server, and by which key."""
    command = click.option("--key", default=None, help="A key with the scope policy:write; better in STAGE0_API_KEY.")(
        command
    )
    return click.option("--url", default=None, help="The server; else STAGE0_BASE_URL, else http://127.0.0.1:8000.")(
        command
    )


@contextmanager
def _client(url: str | None, key: str | None) -> Iterator[Client]:
    from stage0.client import Client, Stage0Error

    try:
        with Client(url, api_key=key, timeout=90.0) as client:
            yield client
    except Stage0Error as error:
        raise click.ClickException(str(error)) from None


_ENVIRONMENT = click.option(
    "--environment", default="", metavar="NAME", help="For keys bound to this environment alone; else for all others."
)


@click.command("push")
@click.argument("pack", type=click.Path(exists=True, path_type=Path))
@on_a_server
def push(pack: Path, url: str | None, key: str | None) -> None:
    """Store a version of PACK on the server. It decides nothing until it is activated."""
    from stage0.knowledge.source import SUITE, read_files
    from stage0.policy import PolicyError

    try:
        files = read_files(pack)
    except PolicyError as error:
        raise click.ClickException(str(error)) from None
    beside = pack.with_name(SUITE)
    if pack.is_file() and beside.exists():
        files[SUITE] = beside.read_text(encoding="utf-8")
    with _client(url, key) as client:
        made = client.call("POST", "/policies", {"files": files})
    for warning in made["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    state = "pushed" if made["new"] else "was there already"
    click.echo(f"{made['id']} {state}, digest {made['digest'][:16]}, {made['suite']['cases']} cases")
    if made["suite"]["problem"]:
        click.echo(f"it will not activate unless forced: {made['suite']['problem']}", err=True)


@click.command("activate")
@click.argument("pack_id", metavar="NAME@VERSION")
@_ENVIRONMENT
@click.option("--force", is_flag=True, help="Though its suite does not pass, or shows too little.")
@on_a_server
def activate(pack_id: str, environment: str, force: bool, url: str | None, key: str | None) -> None:
    """Let a version decide from the next check on, in every process."""
    with _client(url, key) as client:
        body = {"environment": environment, "force": force}
        active = client.call("POST", f"/policies/{quote(pack_id, safe='@')}/activate", body)
    click.echo(_told(active))


@click.command("rollback")
@_ENVIRONMENT
@on_a_server
def rollback(environment: str, url: str | None, key: str | None) -> None:
    """Let what decided before the last activation decide again."""
    with _client(url, key) as client:
        active = client.call("POST", "/policies/rollback", {"environment": environment})
    click.echo(_told(active))


@click.command("shadow")
@click.argument("pack_id", metavar="NAME@VERSION", required=False)
@_ENVIRONMENT
@click.option("--end", is_flag=True, help="End it.")
@on_a_server
def shadow(pack_id: str | None, environment: str, end: bool, url: str | None, key: str | None) -> None:
    """Let a candidate decide beside what is active: its verdicts are recorded and change nothing."""
    if (pack_id is None) != end:
        raise click.UsageError("give a version, or --end")
    with _client(url, key) as client:
        path = "/policies/shadow/end" if end else f"/policies/{quote(pack_id or '', safe='@')}/shadow"
        active = client.call("POST", path, {"environment": environment})
    click.echo(_told(active))


def _told(active: dict[str, Any]) -> str:
    where = f" for keys bound to {active['environment']}" if active["environment"] else ""
    shadowed = f", {active['shadow']} beside it" if active["shadow"] else ""
    return f"{active['pack'] or 'the default pack'} decides{where}{shadowed}"


@click.command("list")
@on_a_server
def list_(url: str | None, key: str | None) -> None:
    """What decides where, which versions there are, and what was activated when."""
    with _client(url, key) as client:
        found = client.call("GET", "/policies")
    for active in found["active"]:
        click.echo(_told(active))
    if not any(not active["environment"] and active["pack"] for active in found["active"]):
        click.echo("the default pack decides for all others" if found["active"] else "the default pack decides")
    for pack in found["packs"]:
        problem = f"  ({pack['suite']['problem']})" if pack["suite"]["problem"] else ""
        click.echo(f"{pack['id']:30}  {_time(pack['pushed_at'])}  {pack['digest'][:16]}  {pack['pushed_by']}{problem}")
    for each in found["activations"]:
        undone = "  rolled back" if each["rolled_back"] else ""
        where = f"  {each['environment']}" if each["environment"] else ""
        click.echo(f"activated {each['pack']}{where}  {_time(each['at'])}  {each['by']}{undone}")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@click.command("show")
@click.argument("pack_id", metavar="NAME@VERSION")
@on_a_server
def show(pack_id: str, url: str | None, key: str | None) -> None:
    """Print the files of a version as they were pushed."""
    with _client(url, key) as client:
        found = client.call("GET", f"/policies/{quote(pack_id, safe='@')}")
    for name, text in sorted(found["files"].items()):
        click.echo(f"# -- {name}\n{text.rstrip()}\n")


def add_to(group: click.Group) -> None:
    """Put these commands into the group."""
    for command in (push, activate, rollback, shadow, list_, show):
        group.add_command(command)
