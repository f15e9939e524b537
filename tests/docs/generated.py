"""The parts of the documentation that the code knows better. `WRITE_DOCS=1 pytest tests/docs` writes them anew."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import click
from click.testing import CliRunner

from stage0.cli.main import cli
from stage0.core.pack import Pack
from stage0.core.rule import Rule
from stage0.core.view import FACT_TYPES
from stage0.ledger.plans import UNLIMITED, shipped_plans
from stage0.policy import shipped_packs
from stage0.reading.context import FACTS
from stage0.reading.effects import EFFECTS, HIGH_RISK
from stage0.reading.limits import LIMITS
from stage0.rules import RULES
from stage0.server.openapi import openapi
from stage0.server.settings import SETTINGS, Setting
from tests.docs.markdown import ROOT

_WIDTH: Final = 100


def commands() -> Iterator[str]:
    """Every command as it is typed, the whole first."""
    yield "stage0"
    yield from _below("stage0", cli)


def _below(path: str, group: click.Group) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        yield f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _below(f"{path} {name}", command)


def help_of(command: str) -> str:
    """A command's help, fenced."""
    words = command.split()
    asked = CliRunner().invoke(cli, [*words[1:], "--help"], prog_name=words[0], terminal_width=_WIDTH)
    if asked.exit_code:
        raise AssertionError(f"`{command} --help` failed: {asked.output}")
    lines = [line.rstrip() for line in asked.output.rstrip().splitlines()]
    return "```text\n" + "\n".join([f"$ {command} --help", *lines]) + "\n```\n"


#: Part to the case file, and the case, that it explains.
_EXPLAINED: Final[Mapping[str, tuple[str, str]]] = {
    "deny": ("library", "zh_high_risk_no_guardrails"),
    "defer": ("samples", "payout_summary_and_workflow"),
    "allow": ("samples", "mcp_sample_in_hours"),
}
_AT: Final = "2026-03-16T10:00:00Z"


def explanation_of(part: str) -> str:
    """What `stage0 explain` prints for a case, fenced."""
    file, case = _EXPLAINED[part]
    arguments = ["explain", f"tests/corpus/{file}.json", case, "--now", _AT]
    real = [str(ROOT / word) if word.startswith("tests/") else word for word in arguments]
    asked = CliRunner().invoke(cli, real, prog_name="stage0", env={"FORCE_COLOR": None, "COLUMNS": None})
    if asked.exit_code:
        raise AssertionError(f"`stage0 {' '.join(arguments)}` failed: {asked.output}")
    return f"```text\n$ stage0 {' '.join(arguments)}\n{asked.stdout.rstrip()}\n```\n"


#: Settings without a default that no server starts without; `test_generated.py` asks the command.
_NEEDED: Final = frozenset({"secret_key"})


def settings() -> str:
    """Settings of the server."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, setting in SETTINGS.items():
        lines.append(f"| `{setting.variable}` | {default_of(name, setting)} | {setting.help} |")
    return "\n".join(lines) + "\n"


def default_of(name: str, setting: Setting) -> str:
    """A setting's default as the table shows it."""
    if setting.default:
        return f"`{setting.default}`"
    return "none, must be set" if name in _NEEDED else "none"


def limits() -> str:
    """Every limit of a request and an answer."""
    lines = ["| limit | of | over it |", "|---:|---|---|"]
    lines += [f"| {limit.most:,} {limit.unit} | {limit.of} | {limit.over} |" for limit in LIMITS.values()]
    return "\n".join(lines) + "\n"


def endpoints() -> str:
    """Every endpoint, with its statuses."""
    lines = ["| endpoint | what it is for | statuses |", "|---|---|---|"]
    for path, methods in openapi("")["paths"].items():
        for method, operation in methods.items():
            statuses = ", ".join(operation["responses"])
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} | {statuses} |")
    return "\n".join(lines) + "\n"


def effects() -> str:
    """Effects as the default pack sees them."""
    pack = shipped_packs()["stage0-default"]
    lines = ["| effect | high-risk | points | approval required | environment needed |", "|---|---|---|---|---|"]
    for effect in EFFECTS:
        needed = "yes" if effect in pack.environments.needed_for else ""
        high = "yes" if effect in HIGH_RISK else ""
        lines.append(
            f"| `{effect}` | {high} | {pack.risk.effects.get(effect, 0)} | {_approval(pack, effect)} | {needed} |"
        )
    return "\n".join(lines) + "\n"


def points() -> str:
    """What the risk score is made of beside the effects."""
    risk = shipped_packs()["stage0-default"].risk
    return (
        f"The base of the risk score is {risk.base}. Production adds {risk.production} to a high-risk action; the worst"
        f" open issue adds {risk.finding.MEDIUM} where it is MEDIUM, {risk.finding.HIGH} where it is HIGH.\n"
    )


def environments() -> str:
    """Names of environments."""
    pack = shipped_packs()["stage0-default"]
    names = pack.environments
    return (
        f"- Production: {_names(names.production)}.\n"
        f"- Not production, and so able to be an evidenced guardrail: {_names(names.non_production)}.\n"
    )


def thresholds() -> str:
    """Where looping begins."""
    found = shipped_packs()["stage0-default"].thresholds
    return (
        f"`LOOP_THRESHOLD_EXCEEDED` fires at {found.retries} retries, past `max_retries`, or where the last"
        f" {found.same_tool} of `recent_tools` are the same. By this server's own count it fires where the last"
        f" {found.same_action} ALLOWs of a run were this very action, where two actions took turns {found.turns} times,"
        f" and where one key began more than {found.starts} runs within an hour with one action.\n"
    )


def _names(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _approval(pack: Pack, effect: str) -> str:
    if effect == "requires_approval":
        return "always"
    found = [requirement for requirement in pack.requirements if effect in requirement.effects]
    where = ["in " + ", ".join(sorted(r.environments)) if r.environments else "anywhere" for r in found]
    ages = [each.max_age for each in pack.approvals if effect in each.effects and each.max_age is not None]
    return "; ".join(where) + (f", at most {min(ages) / 3600:g} hours old" if ages else "")


def severities() -> str:
    """Rules whose severity a pack or `pro: true` changes."""
    default, strict = shipped_packs()["stage0-default"], shipped_packs()["stage0-strict"]
    lines = ["| code | `stage0-default` | `stage0-default` with `pro: true` | `stage0-strict` |", "|---|---|---|---|"]
    for rule in RULES:
        found = [
            default.severity_of(rule.code, rule.severity, False),
            default.severity_of(rule.code, rule.severity, True),
            strict.severity_of(rule.code, rule.severity, False),
        ]
        if len(set(found)) > 1:
            lines.append(f"| `{rule.code}` | {' | '.join(str(severity) for severity in found)} |")
    return "\n".join(lines) + "\n"


def windows() -> str:
    """Change windows of the default pack."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    lines = ["| window | days | hours |", "|---|---|---|"]
    for name, calendar in shipped_packs()["stage0-default"].calendars.items():
        (hours,) = calendar.weekly
        found = sorted(hours.days)
        shown = f"{days[found[0] - 1]} to {days[found[-1] - 1]}"
        lines.append(f"| `{name}` | {shown} | {_hour(hours.opens)} to {_hour(hours.closes)} |")
    return "\n".join(lines) + "\n"


def _hour(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def facts() -> str:
    """The facts that conditions of a pack's own rules may name."""
    lines = ["| fact | type | what it is |", "|---|---|---|"]
    lines += [f"| `{name}` | `{fact.type}` | {fact.about} |" for name, fact in FACT_TYPES.items()]
    lines.append("| `calendars` | `map(string, bool)` | whether each calendar of the pack is open now |")
    return "\n".join(lines) + "\n"


def plans() -> str:
    """What the plans differ in."""
    lines = [
        "| plan | checks a month | a day | a minute | `pro: true` | fields left out of the answer |",
        "|---|---:|---:|---:|---|---|",
    ]
    for name, plan in shipped_plans().items():
        omitted = ", ".join(f"`{field}`" for field in sorted(plan.omits)) or "none"
        counts = [
            "unlimited" if limit >= UNLIMITED else f"{limit:,}"
            for limit in (plan.per_month, plan.per_day, plan.per_minute)
        ]
        lines.append(f"| {name} | {' | '.join(counts)} | {'yes' if plan.pro else '402'} | {omitted} |")
    return "\n".join(lines) + "\n"


def catalogue() -> str:
    """One section per issue code, by family."""
    families = sorted({rule.family for rule in RULES})
    parts = [f"{len(RULES)} codes in {len(families)} families.\n"]
    for family in families:
        found = [rule for rule in RULES if rule.family == family]
        parts.append(f"## Family `{family}`\n")
        parts.extend(_entry(rule) for rule in found)
    return "\n" + "\n".join(parts) + "\n"


def _entry(rule: Rule) -> str:
    first, _, rest = rule.why.partition("\n\n")
    lines = [f"### {rule.code}", "", _one_line(first), "", "| | |", "|---|---|", f"| severity | {rule.severity} |"]
    lines.append(f"| message | {_cell(rule.message)} |")
    if rule.question:
        lines.append(f"| question | {_cell(rule.question)} |")
    if rule.remedy:
        lines.append(f"| remedy | {_cell(rule.remedy)} |")
    lines.append("")
    for paragraph in rest.split("\n\n"):
        name, _, text = paragraph.partition(": ")
        lines.extend([f"**{name}.** {_sentence(_one_line(text))}", ""])
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def layers() -> str:
    """Who may import whom, from the rules that `make lint` checks. Layers in brackets do not exist yet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    found = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return "```text\n" + "\n".join(layer for layer in found if not layer.startswith("(")) + "\n```\n"


def context_names() -> set[str]:
    """Every name that a context field goes by."""
    return {name for fact in FACTS for name in fact.names}


#: Section name to what writes it.
SECTIONS: Final[dict[str, Callable[[], str]]] = {
    "settings": settings,
    "limits": limits,
    "endpoints": endpoints,
    "effects": effects,
    "points": points,
    "environments": environments,
    "thresholds": thresholds,
    "severities": severities,
    "windows": windows,
    "plans": plans,
    "facts": facts,
    "catalogue": catalogue,
    "layers": layers,
    **{f"explain {part}": partial(explanation_of, part) for part in _EXPLAINED},
    **{f"help {command}": partial(help_of, command) for command in commands()},
}
