"""`stage0 explain`: how one action was read, and why it was answered as it was."""

from __future__ import annotations

import difflib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from stage0.cli.cases import read_cases
from stage0.cli.packs import pack_named

if TYPE_CHECKING:
    from stage0.core.explain import Explanation
    from stage0.policy.suite import Case

#: Bytes of a file of cases. A request may have as many as the server takes.
_CASES_LIMIT: Final = 20_000_000
#: Columns: of a terminal within these bounds; of a pipe or a file.
_NARROWEST: Final = 80
_WIDEST: Final = 120
_PIPED: Final = 100


class BadInput(click.ClickException):
    """Input that cannot be explained. The verdict is no reason to fail, so 2 says this alone."""

    exit_code = 2


class Asked(NamedTuple):
    """What to explain: a request's body, the time at which it is decided, and whether its own clock counts."""

    body: bytes
    now: float | None
    test_mode: bool


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.argument("name", required=False)
@click.option(
    "--pack",
    default="stage0-default",
    show_default=True,
    help="The pack: a name, file or folder.",
)
@click.option("--now", default=None, help="Decide at this time (RFC 3339); else now, or the case's clock.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, everything in full.")
def explain(file: str, name: str | None, pack: str, now: str | None, as_json: bool) -> None:
    """Show how a proposed action is read, and why it is answered as it is (JSON in FILE, or `-` for standard input).

    NAME explains that case of a file of cases. Decided in this process, without a server; nothing is recorded.

    Exit code: 0 whatever the verdict, 2 for input that cannot be explained.
    """
    asked = _asked(file, name)
    found = _explained(asked if now is None else asked._replace(now=_moment(now)), pack)
    if as_json:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=2))
    else:
        _print(found)


# -- what to explain


def _asked(file: str, name: str | None) -> Asked:
    body = _read(file)
    listed = body.lstrip().startswith(b"[") or Path(file).suffix in (".yaml", ".yml")
    if not listed and name is None:
        return Asked(body, None, test_mode=False)
    if not listed:
        raise BadInput(f"{file} holds one request, not a list of cases; leave `{name}` out")
    if file == "-":
        raise BadInput("cases come from a file; standard input takes one request")
    case = _case(_cases(file), name, file)
    clock = _moment(case.clock) if case.clock else None
    # A case is run with a test-mode key, whose requests may set the clock.
    return Asked(json.dumps(case.request, ensure_ascii=False).encode(), clock, test_mode=True)


def _cases(file: str) -> list[Case]:
    try:
        return read_cases(Path(file))
    except click.ClickException as error:
        raise BadInput(error.message) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: {error}") from None


def _read(file: str) -> bytes:
    """At most what can be explained: an endless pipe ends here too."""
    try:
        if file == "-":
            body = sys.stdin.buffer.read(_CASES_LIMIT + 1)
        else:
            with Path(file).open("rb") as opened:
                body = opened.read(_CASES_LIMIT + 1)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None
    if len(body) > _CASES_LIMIT:
        raise BadInput(f"{'standard input' if file == '-' else file} has more than {_CASES_LIMIT:,} bytes")
    return body


def _case(cases: list[Case], name: str | None, file: str) -> Case:
    names = [case.name for case in cases]
    if name is None:
        raise BadInput(f"{file} holds {len(names)} cases; name one of them: {_some(names)}")
    found = next((case for case in cases if case.name == name), None)
    if found is None:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or [each for each in names if name in each]
        hint = f"did you mean {_some(near)}?" if near else f"it holds {_some(names)}"
        raise BadInput(f"{file} has no case `{name}`; {hint}")
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(f"`{name}`" for name in names[:8]) + more


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"`{text}` is not a time; write it like 2026-03-16T10:00:00Z") from None
    if moment.tzinfo is None:
        raise BadInput(f"`{text}` has no offset; write it like 2026-03-16T10:00:00Z")
    return moment.timestamp()


# -- explaining


def _explained(asked: Asked, pack: str) -> Explanation:
    import hashlib
    import time

    from stage0.core.decide import prepare
    from stage0.core.explain import explain as explanation_of
    from stage0.reading.request import Caller, State
    from stage0.server.logs import quiet_parsers
    from stage0.wire import BODY_LIMIT, Invalid, read_check

    def fingerprint(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()[:8]

    quiet_parsers()
    try:
        chosen = pack_named(pack)
    except click.ClickException as error:
        raise BadInput(error.message) from None
    if len(asked.body) > BODY_LIMIT:
        raise BadInput(f"the request has {len(asked.body):,} bytes; a server takes at most {BODY_LIMIT:,}")
    try:
        request = read_check(asked.body)
    except Invalid as error:
        raise BadInput(str(error)) from None
    return explanation_of(
        prepare(request, chosen.knowledge, fingerprint),
        pack=chosen,
        state=State(Caller("local", test_mode=asked.test_mode)),
        now=time.time() if asked.now is None else asked.now,
        fingerprint=fingerprint,
    )


# -- showing


def _print(found: Explanation) -> None:
    from io import TextIOWrapper

    from rich.console import Console

    from stage0.cli.explained import page

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has no Chinese still gets its answer
    console = Console(highlight=False, markup=False, emoji=False)
    width = min(max(console.width, _NARROWEST), _WIDEST) if console.is_terminal else _PIPED
    for line in page(found, width):
        console.print(line, soft_wrap=True)
