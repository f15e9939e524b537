"""`stage0 check` and `stage0 catalog`: one decision from the shell, and every rule."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from stage0.cli.packs import pack_named

#: Exit codes by verdict, so that a shell script can be an enforcement point. Anything else failed.
EXIT_CODES: Final = {"GO": 0, "DEFER": 10, "NO_GO": 20, "ERROR": 30}


def read_input(file: str) -> bytes:
    """A file, or standard input for `-`."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def decide_locally(body: bytes, *, pack: str, now: float | None = None, test_mode: bool = True) -> dict[str, Any]:
    """A decision in this process, without a server or a record. Raises wire.Invalid."""
    import hashlib
    import time

    import msgspec

    from stage0.core.decide import decide, prepare
    from stage0.ledger.ids import new_id
    from stage0.reading.request import Caller, State
    from stage0.server.logs import quiet_parsers
    from stage0.wire import answer, read_check

    quiet_parsers()
    at = time.time() if now is None else now
    chosen = pack_named(pack)
    request = read_check(body)
    prepared = prepare(request, chosen.knowledge, lambda secret: hashlib.sha256(secret.encode()).hexdigest()[:8])
    state = State(Caller("local", test_mode=test_mode))
    decision = decide(prepared.request, pack=chosen, state=state, now=at, reading=prepared.reading)
    shown: dict[str, Any] = msgspec.to_builtins(answer(decision, new_id("req", at), test_mode=test_mode))
    return shown


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--url", default=None, help="The server; else STAGE0_BASE_URL, else http://127.0.0.1:8000.")
@click.option("--key", default=None, help="API key; better in STAGE0_API_KEY.")
@click.option("--local", is_flag=True, help="Decide in this process, without a server; nothing is recorded.")
@click.option(
    "--pack",
    default="stage0-default",
    show_default=True,
    help="The pack of --local: a name, file or folder.",
)
def check(file: str, url: str | None, key: str | None, local: bool, pack: str) -> None:
    """Check a proposed action (JSON in FILE, or `-` for standard input) and print the answer.

    Exit code: 0 ALLOW, 10 DEFER, 20 DENY, 30 ERROR; 1 where there is no answer.
    """
    body = read_input(file)
    shown = _locally(body, pack) if local else _from_server(body, url, key)
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    raise SystemExit(EXIT_CODES.get(str(shown.get("decision")), EXIT_CODES["ERROR"]))


def _locally(body: bytes, pack: str) -> dict[str, Any]:
    from stage0.wire import Invalid

    try:
        return decide_locally(body, pack=pack, test_mode=False)
    except Invalid as error:
        raise click.ClickException(str(error)) from None


def _from_server(body: bytes, url: str | None, key: str | None) -> dict[str, Any]:
    from stage0.client import Client, Stage0Error

    try:
        with Client(url, api_key=key) as client:
            return client.send(body)
    except Stage0Error as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.argument("code", required=False)
def catalog(as_json: bool, code: str | None) -> None:
    """Every issue code: when it fires, how bad it is, and what to do. CODE shows one whole."""
    from stage0.rules import RULES
    from stage0.server.design import describe_rule

    found = [rule for rule in RULES if code is None or rule.code == code.upper()]
    if not found:
        raise click.ClickException(f"there is no code `{code}`; `stage0 catalog` lists them")
    if as_json:
        click.echo(json.dumps([describe_rule(rule) for rule in found], ensure_ascii=False, indent=2))
        return
    for rule in found:
        click.echo(f"{rule.severity:6}  {rule.code:38}  {rule.why.partition(chr(10))[0]}")
        if code is not None:
            click.echo(f"\n{rule.why.partition(chr(10))[2].strip()}\n\nmessage   {rule.message}")
            if rule.question:
                click.echo(f"question  {rule.question}")
            if rule.remedy:
                click.echo(f"remedy    {rule.remedy}")
