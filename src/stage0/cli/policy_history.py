"""Policies and what was decided: `stage0 policy replay`, `stage0 policy efficacy`, `stage0 replay --verify`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from stage0.cli.export import When, wanted_of
from stage0.cli.files import progress_bar
from stage0.cli.local import reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage0.core.pack import Pack
    from stage0.ledger.export import Wanted
    from stage0.ledger.store import Store

_AGO: Final = re.compile(r"(\d+)([dhm])\Z")
_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60}


class Since(When):
    """How long ago (`7d`, `12h`, `30m`), or a date or time, as Unix seconds."""

    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        ago = _AGO.match(str(value))
        if ago:
            return time.time() - int(ago[1]) * _SECONDS[ago[2]]
        return super().convert(value, param, ctx)


_ACCOUNT = click.option("--account", default="dev", show_default=True, help="Name or id of the account.")
_SINCE = click.option(
    "--since", type=Since(), default="30d", show_default=True, help="From then on: 7d, a date, a time."
)
_UNTIL = click.option("--until", type=Since(), default=None, help="Before then; else until now.")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@contextmanager
def _records(account: str, since: float, until: float | None) -> Iterator[tuple[Store, Wanted, Callable[[int], None]]]:
    """The store, which records, and what shows how far it is."""
    from stage0.ledger.export import count_records

    with reading() as store:
        wanted = wanted_of(store, account, since, time.time() if until is None else until)
        with progress_bar() as bar:
            total = None if bar.disable else count_records(store.reader, wanted)
            task = bar.add_task("records", total=total)
            yield store, wanted, lambda seen: bar.update(task, completed=seen)


def _pack(store: Store, wanted: Wanted, name: str) -> Pack:
    """A pack of a file or folder, one that ships, or a version that was pushed."""
    from stage0.ledger.catalogue import shipped_catalogue
    from stage0.ledger.packs import usable_pack
    from stage0.policy import PolicyError, load_pack

    try:
        if "@" not in name and Path(name).exists():
            return load_pack(Path(name))
    except PolicyError as error:
        raise click.ClickException(str(error)) from None
    catalogue = shipped_catalogue()
    shipped = {pack.id: pack for pack in catalogue.packs.values()} | dict(catalogue.packs)
    if name in shipped:
        return shipped[name]
    with store.reader.connect() as connection:
        return usable_pack(connection, catalogue, wanted.account, name)


@click.command("replay")
@click.argument("candidate")
@_ACCOUNT
@_SINCE
@_UNTIL
@click.option("--at-most", type=click.IntRange(min=1), default=None, help="No more than so many records.")
@_JSON
def replay(candidate: str, account: str, since: float, until: float | None, at_most: int | None, as_json: bool) -> None:
    """Decide stored records again under CANDIDATE (a file, a folder, or a version) and show what would change."""
    from stage0.ledger.replay import preview
    from stage0.server.logs import quiet_parsers

    quiet_parsers()
    with _records(account, since, until) as (store, wanted, tick):
        pack = _pack(store, wanted, candidate)
        start = time.monotonic()
        found = preview(store.reader, wanted, pack, at_most=at_most, tick=tick)
        seconds = time.monotonic() - start
    plain = found.plain()
    if as_json:
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    click.echo(f"{found.replayed} of {found.records} records decided again, {sum(found.flips.values())} flip", nl=False)
    click.echo(f" ({seconds:.1f} s)")
    _table("verdict", plain["flips"], ())
    _table("by code", plain["by_code"], ("code",))
    _table("by tool", plain["by_tool"], ("tool",))
    if plain["examples"]:
        click.echo("\nthe first of them")
        for flip in plain["examples"]:
            change = f"{flip['before']} -> {flip['after']}"
            click.echo(f"  {flip['request_id']}  {change}  {' '.join(flip['codes'])}  {flip['goal']}")
    _skipped(plain["skipped"])


def _table(title: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    if rows:
        click.echo(f"\n{title}")
    for row in rows[:30]:
        what = "  ".join(row[name] for name in names)
        click.echo(f"  {row['count']:>8}  {row['before']:5} -> {row['after']:5}  {what}".rstrip())


def _skipped(rows: list[dict[str, Any]]) -> None:
    if rows:
        click.echo("\nnot decided again")
    for row in rows:
        click.echo(f"  {row['count']:>8}  {row['reason']}")


@click.command("efficacy")
@click.argument("candidate", required=False, metavar="[PACK]")
@_ACCOUNT
@_SINCE
@_UNTIL
@_JSON
def efficacy(candidate: str | None, account: str, since: float, until: float | None, as_json: bool) -> None:
    """What the rules of a pack (else of the active one) have done: fired, stopped, overridden, or never anything."""
    from stage0.ledger.catalogue import shipped_catalogue
    from stage0.ledger.efficacy import efficacy as gather
    from stage0.ledger.packs import Active, read_actives

    with _records(account, since, until) as (store, wanted, tick):
        name = candidate
        if name is None:
            with store.reader.connect() as connection:
                name = read_actives(connection).get((wanted.account, ""), Active("", "")).pack
        name = name or shipped_catalogue().default.id
        plain = gather(store.reader, wanted, _pack(store, wanted, name), tick=tick).plain()
    if as_json:
        click.echo(json.dumps(plain, ensure_ascii=False))
        return
    click.echo(f"{plain['policy_version']}, {plain['records']} records")
    click.echo(f"  {'fired':>8}  {'stopped':>8}  {'overridden':>10}  {'last':20}  code")
    for row in plain["rules"]:
        last = datetime.fromtimestamp(row["last_fired"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        own = " (own)" if row["own"] else ""
        click.echo(f"  {row['fired']:>8}  {row['stopped']:>8}  {row['overridden']:>10}  {last:20}  {row['code']}{own}")
    click.echo(f"\nnever fired: {', '.join(plain['never_fired']) or 'none'}")
    if plain["unregistered_tools"]:
        click.echo("\ntools seen and not registered")
    for row in plain["unregistered_tools"][:30]:
        click.echo(f"  {row['seen']:>8}  {row['tool']}")


@click.command("replay")
@click.option("--verify", is_flag=True, required=True, help="Derive every stored answer again, byte for byte.")
@click.option("--account", default=None, help="Name or id of the account; all where left out.")
@_SINCE
@_UNTIL
@_JSON
def replay_proof(verify: bool, account: str | None, since: float, until: float | None, as_json: bool) -> None:
    """Prove stored decisions: each is derived again from its record. Exit code 1 where one differs."""
    from stage0.ledger.accounts import list_accounts

    if account is not None:
        accounts = [account]
    else:
        with reading() as store, store.reader.connect() as connection:
            accounts = [each.id for each in list_accounts(connection)]
    proofs = {each: _prove(each, since, until) for each in accounts}
    if as_json:
        click.echo(json.dumps(proofs, ensure_ascii=False))
    for name, plain in () if as_json else proofs.items():
        click.echo(f"{name}: {plain['verified']} of {plain['records']} records verified, {plain['different']} differ")
        for each in plain["differences"]:
            click.echo(f"  {each['request_id']}: {', '.join(each['fields'])}")
        _skipped(plain["skipped"])
    raise SystemExit(int(any(plain["different"] for plain in proofs.values())))


def _prove(account: str, since: float, until: float | None) -> dict[str, Any]:
    from importlib.metadata import version

    from stage0.ledger.catalogue import shipped_catalogue
    from stage0.ledger.replay import verify
    from stage0.server.logs import quiet_parsers

    quiet_parsers()
    with _records(account, since, until) as (store, wanted, tick):
        return verify(store.reader, shipped_catalogue(), wanted, version("stage0"), tick=tick).plain()


def add_to(group: click.Group) -> None:
    """Put these commands into the group."""
    group.add_command(replay)
    group.add_command(efficacy)
