"""`stage0 policy`: packs as files. Making, checking, trying and comparing them needs no server."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from stage0.cli import policy_history, policy_server

if TYPE_CHECKING:
    from stage0.policy.format import PackFile
    from stage0.policy.load import Loaded
    from stage0.policy.suite import SuiteResult

PACK: Final = click.Path(exists=True, path_type=Path)

_PACK: Final = """\
# yaml-language-server: $schema=./pack.schema.json
name: {name}
version: "1"
extends: {parent}
description: What {name}'s agents may do.

# What the parent has stays as it is. Everything here makes it stricter, or names what the parent has left open.

tools:
  crm.contacts.*:
    adds: [personal_data]
    owner: sales-ops

calendars:
  deploys:
    zone: Europe/Berlin
    weekly:
      - {{days: mon-thu, hours: "09:00-17:00"}}
    holidays: {{country: DE}}
    freezes:
      - {{from: 2026-12-18, to: 2027-01-03, why: end of the year}}

requirements:
  deploys:
    effects: [deployment]
    environments: [production]
    controls: ["allowed_change_window: deploys", rollback_plan_required]

approvals:
  large_payments:
    effects: [money_movement]
    approvers: 2

rules:
  PAYMENT_TOO_LARGE:
    when: amount > 10000.0
    severity: high
    message: "{{amount}} is more than an agent may pay."
    remedy: Have a person pay it.
    why: Nobody has agreed to let an agent move such sums.
"""

_SUITE: Final = """\
# Each case is decided at its clock (a Monday, 10:00 UTC, where it has none), with nothing known but its state.
- name: reading is allowed
  request:
    goal: List the open invoices
    tools: [invoices.list]
    success_criteria: [every open invoice is listed]
  expect: {verdict: ALLOW, absent_codes: [PAYMENT_TOO_LARGE]}

- name: one approver is not enough for a payment
  request:
    goal: Pay the invoice 4711
    tools: [payments.create]
    constraints: [approval required]
    context:
      tool_arguments: {amount: 200.0, currency: EUR}
      approval_status: approved
      approved_by: kim@example.com
      approved_at: "2026-03-16T09:30:00+00:00"
  expect: {verdict: DEFER, issue_codes: [APPROVERS_INSUFFICIENT]}

- name: a large payment is for people
  request:
    goal: Pay the invoice 4712
    tools: [payments.create]
    constraints: [approval required]
    context:
      tool_arguments: {amount: 25000.0, currency: EUR}
      approval_status: approved
      approved_by: kim@example.com, lee@example.com
      approved_at: "2026-03-16T09:30:00+00:00"
  expect: {verdict: DENY, issue_codes: [PAYMENT_TOO_LARGE]}
"""


@click.group()
def policy() -> None:
    """Policy packs: write, check, try, push, activate, preview and roll back."""


@policy.command("new")
@click.argument("name")
@click.option("--extends", "parent", default="stage0-default", show_default=True, help="The pack that it builds on.")
def new(name: str, parent: str) -> None:
    """Make a folder NAME with a pack, its suite and the schema for your editor."""
    from stage0.policy.format import json_schema

    folder = Path(name)
    if folder.exists():
        raise click.ClickException(f"`{folder}` is there already")
    files = {
        "pack.yaml": _PACK.format(name=folder.name, parent=parent),
        "suite.yaml": _SUITE,
        "pack.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    try:
        _load(folder)
    except click.ClickException:
        for file in files:
            (folder / file).unlink()
        folder.rmdir()
        raise
    click.echo(f"{folder}/pack.yaml and {folder}/suite.yaml; next: stage0 policy test {folder}")


def _load(path: Path) -> Loaded:
    """A pack of a file or folder. Ends the command where it cannot be used."""
    from stage0.policy import PolicyError
    from stage0.policy.load import load
    from stage0.server.logs import quiet_parsers

    quiet_parsers()
    try:
        return load(path)
    except PolicyError as error:
        raise click.ClickException(str(error)) from None


@policy.command("lint")
@click.argument("packs", nargs=-1, required=True, type=PACK)
@click.option("--strict", is_flag=True, help="Warnings are errors.")
def lint(packs: tuple[Path, ...], strict: bool) -> None:
    """Check PACKS: errors with their line, and what looks like a mistake. Exit code 1 where a pack cannot be used."""
    from stage0.policy import PolicyError
    from stage0.policy.lint import warnings_of
    from stage0.policy.suite import try_suite

    failed = False
    for path in packs:
        try:
            found = _load(path)
            warnings = list(warnings_of(found, try_suite(found), at=time.time()))
        except (click.ClickException, PolicyError) as error:
            failed = True
            click.echo(f"error: {error.message if isinstance(error, click.ClickException) else error}", err=True)
            continue
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        failed = failed or (strict and bool(warnings))
        click.echo(f"{found.pack.id}: {len(found.pack.own)} rules of its own, digest {found.pack.digest[:16]}")
    raise SystemExit(int(failed))


@policy.command("fmt")
@click.argument("packs", nargs=-1, required=True, type=PACK)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where something would change.")
def fmt(packs: tuple[Path, ...], check: bool) -> None:
    """Lay the files of PACKS out in one way; comments and the order of things stay."""
    changed = False
    for path in packs:
        files = [path] if path.is_file() else sorted(path.glob("*.yaml"))
        for file in files:
            text = file.read_text(encoding="utf-8")
            laid_out = _laid_out(text, file.name)
            if laid_out != text:
                changed = True
                click.echo(str(file))
                if not check:
                    file.write_text(laid_out, encoding="utf-8")
    raise SystemExit(int(check and changed))


def _laid_out(text: str, name: str) -> str:
    from stage0.knowledge.source import parse, writer
    from stage0.policy import PolicyError

    try:
        value = parse(text, name)
    except PolicyError as error:
        raise click.ClickException(str(error)) from None
    out = io.StringIO()
    writer(listed=isinstance(value, list)).dump(value, out)
    return out.getvalue()


@policy.command("schema")
def schema() -> None:
    """Print the JSON Schema of a pack, for editors."""
    from stage0.policy.format import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@policy.command("test")
@click.argument("packs", nargs=-1, required=True, type=PACK)
@click.option("--junit", type=click.Path(path_type=Path), default=None, help="Write a report in JUnit's form.")
def test(packs: tuple[Path, ...], junit: Path | None) -> None:
    """Run the suites of PACKS. Exit code 1 where a case is not as expected, or ALLOW, DEFER or DENY has no case."""
    from stage0.knowledge.source import rules_of
    from stage0.policy import PolicyError
    from stage0.policy.suite import run_suite, suite_of

    results: list[tuple[str, SuiteResult]] = []
    for path in packs:
        found = _load(path)
        try:
            cases = suite_of(found.source.files) or _beside(path)
        except PolicyError as error:
            raise click.ClickException(str(error)) from None
        if not cases:
            raise click.ClickException(f"`{path}` has no suite: put its cases into `suite.yaml` beside it")
        results.append((found.pack.id, run_suite(cases, found.pack, rules_of(found.source))))
    failed = False
    for name, result in results:
        _report(name, result)
        failed = failed or bool(result.activatable)
    if junit is not None:
        junit.write_text(_junit(results), encoding="utf-8")
    raise SystemExit(int(failed))


def _beside(path: Path) -> Any:
    from stage0.policy.suite import read_suite

    suite = path.with_name("suite.yaml")
    return read_suite(suite.read_text(encoding="utf-8")) if path.is_file() and suite.exists() else ()


def _report(name: str, result: SuiteResult) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(name)}[/]")
    for ran in result.ran:
        verdict = ran.decision.verdict
        if not ran.problems:
            console.print(f"  [green]ok[/]  {verdict:5}  {escape(ran.case.name)}")
            continue
        console.print(f"  [red]no[/]  {verdict:5}  {escape(ran.case.name)}")
        codes = [issue.code for issue in ran.decision.issues]
        wanted = set(ran.case.expect.issue_codes)
        if verdict != ran.case.expect.verdict:
            console.print(f"        [red]- verdict {ran.case.expect.verdict}[/]")
            console.print(f"        [green]+ verdict {verdict}[/]")
        for code in ran.case.expect.issue_codes:
            mark = " " if code in codes else "[red]-[/]"
            console.print(f"        {mark} {code}")
        for code in codes:
            if code not in wanted:
                unwanted = " [red](must not be there)[/]" if code in ran.case.expect.absent_codes else ""
                console.print(f"        [green]+[/] {code}{unwanted}")
        console.print(f"        {escape(ran.decision.reason)}")
    for code in result.never_fired:
        console.print(f"  [yellow]never fired:[/] {code}")
    for code in result.never_quiet:
        console.print(f"  [yellow]never quiet:[/] {code}")
    passed = len(result.ran) - len(result.failed)
    console.print(
        f"  {passed} of {len(result.ran)} as expected" + (f"; {result.activatable}" if result.activatable else "")
    )


def _junit(results: list[tuple[str, SuiteResult]]) -> str:
    from xml.etree import ElementTree as xml

    root = xml.Element("testsuites")
    for name, result in results:
        suite = xml.SubElement(
            root, "testsuite", name=name, tests=str(len(result.ran)), failures=str(len(result.failed)), errors="0"
        )
        for ran in result.ran:
            case = xml.SubElement(suite, "testcase", classname=name, name=ran.case.name)
            if ran.problems:
                failure = xml.SubElement(case, "failure", message="; ".join(ran.problems))
                failure.text = ran.decision.reason
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


@policy.command("diff")
@click.argument("one")
@click.argument("other")
def diff(one: str, other: str) -> None:
    """Say in words what changes from pack ONE to pack OTHER: files, folders, or names of packs that ship."""
    from stage0.policy.compare import compare_packs

    changes = compare_packs(_named(one), _named(other))
    for change in changes:
        click.echo(change)
    if not changes:
        click.echo("they decide alike")


def _named(name: str) -> PackFile:
    from stage0.policy.load import shipped_file, shipped_names

    if name in shipped_names():
        return shipped_file(name)
    if not Path(name).exists():
        raise click.ClickException(f"`{name}` is neither a file or folder nor a pack that ships")
    return _load(Path(name)).file


policy_server.add_to(policy)
policy_history.add_to(policy)
