"""`stage0 cases`: running files of requests with known answers."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from stage0.cli.check import decide_locally

if TYPE_CHECKING:
    from stage0.policy.suite import Case


Answering = Callable[[bytes], dict[str, Any]]


def read_cases(path: Path) -> list[Case]:
    """The cases of a JSON or YAML file. Ends the command where it is not a list of cases."""
    from stage0.knowledge.yaml import read_slowly
    from stage0.policy.suite import Case

    text = path.read_text(encoding="utf-8")
    try:
        plain = read_slowly(text, path.name) if path.suffix in (".yaml", ".yml") else json.loads(text)
        return msgspec.convert(plain, list[Case])
    except (ValueError, msgspec.ValidationError) as error:
        raise click.ClickException(f"{path}: {error}") from None


def prepared(case: Case) -> bytes:
    """A case's body: a `run_id` of its own, and its clock as the current time (which a test-mode key may set)."""
    request = dict(case.request)
    context = dict(request.get("context") or {})
    if "run_id" in context:
        context["run_id"] = f"{context['run_id']}-{secrets.token_hex(4)}"
    if case.clock:
        context["current_time"] = case.clock
    if context:
        request["context"] = context
    return json.dumps(request, ensure_ascii=False).encode()


def wrong(case: Case, answer: dict[str, Any]) -> str:
    """What is wrong with an answer, in words; empty where it is as expected."""
    from stage0.policy.suite import differences

    codes = [issue["code"] for issue in answer.get("issues", ())]
    return "; ".join(differences(case.expect, str(answer.get("verdict")), codes))


@click.group()
def cases() -> None:
    """Files of requests with known answers."""


@cases.command("run")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", default=None, help="The server; else STAGE0_BASE_URL, else http://127.0.0.1:8000.")
@click.option("--key", default=None, help="A test-mode key of the server.")
@click.option("--local", is_flag=True, help="Decide in this process, without a server.")
@click.option("--pack", default="stage0-default", show_default=True, help="The pack of local decisions.")
def run(files: tuple[Path, ...], url: str | None, key: str | None, local: bool, pack: str) -> None:
    """Run case FILES and print a table; exit code 1 where an answer is not as expected.

    Without --key, a test-mode key is made in the local database for the time of the run; where there is none,
    STAGE0_API_KEY is used.
    """
    if local:
        _report(files, lambda body: decide_locally(body, pack=pack))
        return
    from stage0.client import Client

    with _test_key(key) as text, Client(url, api_key=text) as client:
        _report(files, client.send)


@contextmanager
def _test_key(given: str | None) -> Iterator[str]:
    """The key given, or a test-mode key of the development account that is revoked afterwards."""
    from stage0.cli.local import actor, has_database, transaction

    given = given or ("" if has_database() else os.environ.get("STAGE0_API_KEY"))
    if given:
        yield given
        return
    from stage0.ledger.accounts import find_account
    from stage0.ledger.keys import create_key, set_key_status

    with transaction() as (connection, catalogue, keyring, now):
        account = find_account(connection, "dev")
        key, text = create_key(
            connection,
            catalogue,
            keyring,
            account=account.id,
            actor=actor(),
            now=now,
            name="stage0 cases run",
            mode="test",
        )
    try:
        yield text
    finally:
        with transaction() as (connection, catalogue, _, now):
            set_key_status(connection, catalogue, key.id, "revoked", actor=actor(), now=now)


def _report(files: tuple[Path, ...], answering: Answering) -> None:
    from rich.console import Console
    from rich.table import Table

    from stage0.client import Stage0Error
    from stage0.wire import Invalid

    table = Table(box=None, pad_edge=False)
    for heading in ("", "case", "verdict", "risk", "codes"):
        table.add_column(heading, overflow="fold")
    failed = total = 0
    for path in files:
        for case in read_cases(path):
            total += 1
            try:
                answer = answering(prepared(case))
                problem = wrong(case, answer)
            except (Stage0Error, Invalid) as error:
                answer, problem = {}, str(error)
            if problem and case.clock and answer.get("meta", {}).get("test_mode") is False:
                problem += " (this case sets the clock, which needs a test-mode key)"
            failed += bool(problem)
            codes = " ".join(issue["code"] for issue in answer.get("issues", ()))
            mark = "[red]no[/]" if problem else "[green]ok[/]"
            shown = f"{codes}\n[red]{problem}[/]" if problem else codes
            table.add_row(mark, case.name, str(answer.get("verdict", "-")), str(answer.get("risk_score", "-")), shown)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)
    console.print(f"{total - failed} of {total} as expected")
    if failed:
        raise SystemExit(1)
