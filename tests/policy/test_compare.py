"""Two packs compared: what changes from one to the other, in words."""

from __future__ import annotations

from typing import Final

import pytest

from stage0.policy.compare import compare_packs
from stage0.policy.format import PackFile
from stage0.policy.load import Loaded
from tests.layering import company_pack, layer, written


@pytest.fixture(scope="module")
def company() -> Loaded:
    """A company's pack."""
    return company_pack()


CHANGES: Final[dict[str, tuple[str, list[str]]]] = {
    "nothing": ("", []),
    "a description": ("description: Ours.\n", []),
    "a severity that was set": (
        "severities: {CONTEXT_CONFLICT: high}\n",
        ["~ severity of CONTEXT_CONFLICT: medium -> high"],
    ),
    "a severity that was the rule's": (
        "severities: {TICKET_REQUIRED: high}\n",
        ["~ severity of TICKET_REQUIRED: medium -> high"],
    ),
    "a severity of an own rule": (
        "severities: {BIG_EXPORT: high}\n",
        ["~ severity of BIG_EXPORT: the rule's own -> high"],
    ),
    "a severity under pro": (
        "pro_severities: {TICKET_REQUIRED: high}\n",
        ["~ severity under `pro` of TICKET_REQUIRED: medium -> high"],
    ),
    "a requirement more": (
        "requirements: {pages: {effects: [publish], controls: [approval required]}}\n",
        ["+ requirement pages: controls `approval required`; effects `publish`"],
    ),
    "a requirement less": (
        "requirements: {exports: null}\n",
        ["- requirement exports: controls `approval required`; effects `export`"],
    ),
    "a requirement that changed": (
        "requirements: {exports: {effects: [publish], environments: [eu], controls: [approval required]}}\n",
        [
            "~ requirement exports, effects: now without `export` and with `publish`",
            "+ requirement exports, environments: `eu`",
        ],
    ),
    "an approval rule": (
        "approvals: {access: {effects: [access_change], approvers: 3}}\n",
        ["~ approval rule access, approvers: `2` -> `3`"],
    ),
    "a role": ("roles: {lead: [admin]}\n", ["+ role lead: `admin`"]),
    "a role that changed": ("roles: {admin: []}\n", ["~ role admin: now without `operator`"]),
    "a tool": ("tools: {crm_list: null}\n", ["- tool crm_list: effects `read`; owner `sales`"]),
    "points of a tool": (
        "tools: {crm_export: {effects: [export], owner: sales, risk: 7}}\n",
        ["~ tool crm_export, risk: `5` -> `7`"],
    ),
    "a rule": (
        "rules: {PRO: {when: pro, severity: low, message: Yes.}}\n",
        ["+ rule PRO: message `Yes.`; severity `low`; when `pro`"],
    ),
    "a threshold": ("thresholds: {retries: 2}\n", ["~ thresholds.retries: `4` -> `2`"]),
    "a lane": ("lanes: {role: verified}\n", ["~ lanes.role: `asserted` -> `verified`"]),
    "servers": ("mcp_servers: [files]\n", ["~ mcp_servers: now without `github`, `shell`"]),
    "unknown tools": ("unknown_tools: deny\n", ["~ unknown_tools: `allow` -> `deny`"]),
    "how long an ALLOW holds": ("valid_for: 1m\n", ["+ valid_for: `1m`"]),
    "points": ("risk: {effects: {read: 9}}\n", ["~ risk.effects.read: `8` -> `9`"]),
    "what only watches": ("observe: false\n", ["+ observe: `false`"]),
    "a calendar": (
        'calendars: {nights: {weekly: [{days: sat, hours: "1:00-2:00"}]}}\n',
        [
            "~ calendar nights, weekly: now without days `mon-fri`; hours `22:00-06:00`"
            " and with days `sat`; hours `1:00-2:00`"
        ],
    ),
}


@pytest.mark.parametrize(("text", "said"), CHANGES.values(), ids=CHANGES)
def test_what_changes_from_one_pack_to_another_is_said_in_words(text: str, said: list[str], company: Loaded) -> None:
    opened: PackFile = layer(f"open: [{', '.join(company.file.open)}]\n{text}", company).file
    assert compare_packs(company.file, opened) == said


def test_what_changes_is_said_the_other_way_round() -> None:
    one, other = layer("thresholds: {retries: 2}\nroles: {a: [b]}\n").file, layer("").file
    assert compare_packs(one, other) == ["- role a: `b`", "~ thresholds.retries: `2` -> `5`"]
    assert compare_packs(other, one) == ["+ role a: `b`", "~ thresholds.retries: `5` -> `2`"]


def test_a_version_and_what_is_open_are_told_apart() -> None:
    one = layer("").file
    assert compare_packs(one, written('name: other\nversion: "2"\nextends: stage0-default\n').file) == []
    assert compare_packs(one, layer("open: [tools]\n").file) == ["+ open: `tools`"]
