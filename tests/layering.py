"""Packs as they are written, one over another, loaded as any pack is."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from stage0.core.pack import Pack
from stage0.knowledge.source import source_of
from stage0.policy import PolicyError
from stage0.policy.load import Loaded, loaded, resolver_of, shipped_file

#: The file that a pack of one file stands in.
FILE: Final = "pack.yaml"
#: The default pack, by name and version.
DEFAULT: Final = f"stage0-default@{shipped_file('stage0-default').version}"

#: A pack that extends none, with the least that one needs.
ROOT: Final = """\
name: root
version: "1"
environments: {production: [production, prod], non_production: [staging, dev], needed_for: [delete]}
risk: {base: 10, effects: {read: 8, delete: 35}, production: 15, finding: {MEDIUM: 15, HIGH: 35}}
costs: {evaluation: {min: 0.0001, max: 0.0004}, effects: {}}
"""


def written(text: str, *parents: Loaded) -> Loaded:
    """A pack as it is written; it may extend one that ships, or one of the parents."""
    known = {each.file.name: each.file for each in parents}
    return loaded(source_of({FILE: text}, FILE), resolver_of(lambda wanted: known.get(wanted.partition("@")[0])))


def layer(text: str, parent: str | Loaded = "stage0-default", name: str = "own") -> Loaded:
    """A pack that extends another one: one that ships, by its name, or one that was made here."""
    wanted, parents = (parent, ()) if isinstance(parent, str) else (parent.file.name, (parent,))
    return written(f'name: {name}\nversion: "1"\nextends: {wanted}\n{text}', *parents)


def pack_with(text: str, parent: str | Loaded = "stage0-default") -> Pack:
    """What a layer decides with."""
    return layer(text, parent).pack


#: A company's pack: it opens two of its entries, and keeps the rest.
COMPANY: Final = """\
open: [requirements.exports, severities.MISSING_SUCCESS_CRITERIA, tools, thresholds.retries, roles, calendars.nights]
severities: {MISSING_SUCCESS_CRITERIA: high, CONTEXT_CONFLICT: medium}
requirements:
  exports: {effects: [export], controls: [approval required]}
  access: {effects: [access_change], controls: [require_ticket]}
approvals:
  access: {effects: [access_change], approvers: 2}
roles: {admin: [operator]}
calendars:
  nights: {weekly: [{days: mon-fri, hours: "22:00-06:00"}]}
tools:
  crm_list: {effects: [read], owner: sales}
  crm_export: {effects: [export], owner: sales, risk: 5}
thresholds: {retries: 4, turns: 3}
mcp_servers: [github, files, shell]
unknown_tools: allow
rules:
  BIG_EXPORT: {when: records > 1000, severity: medium, message: Too many.}
"""


def company_pack() -> Loaded:
    """A company's pack over the default one."""
    return layer(COMPANY, name="company")


# -- what is broken


class Broken(NamedTuple):
    """What makes a pack broken: the lines after its head, the line and the field that are named, and what is said."""

    text: str
    line: int
    field: str
    said: str


def refusal(raised: pytest.ExceptionInfo[PolicyError]) -> str:
    """The one line that an error says."""
    message = str(raised.value)
    assert message == message.strip()
    assert len(message.splitlines()) == 1
    return message


def check(broken: Broken, message: str) -> None:
    """The place stands first, then the field, and what is wrong after it."""
    place = f"{FILE}:{broken.line}: "
    assert message.startswith(f"{place}{broken.field}: " if broken.field else place)
    assert broken.said in message
