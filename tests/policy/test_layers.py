"""Layers: what a pack has from its parents, what it adds, what it takes away where that is open, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from stage0.core.pack import Pack
from stage0.knowledge.source import source_of
from stage0.policy import PolicyError, load_pack, pack_of_content, shipped_packs
from stage0.policy.compare import compare_packs
from stage0.policy.format import COLLECTIONS, RECORDS
from stage0.policy.layers import OPENABLE
from stage0.policy.load import Loaded, content_of, file_of_content, loaded, resolver_of
from stage0.reading.effects import EFFECTS
from tests.asserting import nonempty
from tests.deciding import NOW, codes, decided
from tests.layering import DEFAULT, ROOT, company_pack, layer, pack_with, refusal, written


@pytest.fixture(scope="module")
def company() -> Loaded:
    """A company's pack."""
    return company_pack()


# -- merging


def test_a_layer_that_says_nothing_decides_as_its_parent(default_pack: Pack) -> None:
    own = layer("")
    assert compare_packs(own.file, layer("", own, name="team").file) == []
    for field in nonempty(Pack.__struct_fields__):
        if field not in ("name", "version", "digest"):
            assert getattr(own.pack, field) == getattr(default_pack, field), field


def test_a_pack_says_which_version_of_its_parent_it_extends(company: Loaded) -> None:
    assert company.file.extends == DEFAULT
    assert layer("", company, name="team").file.extends == "company@1"
    assert company.pack.id == "company@1"


def test_entries_are_merged_by_name(company: Loaded) -> None:
    team = layer(
        "requirements: {pages: {effects: [publish], controls: [approval required]}}\n"
        "severities: {TICKET_REQUIRED: high}\n"
        "approvals: {access: {effects: [access_change, delete], approvers: 3}}\n"
        "tools: {erp_post: {adds: [money_movement]}}\n"
        "rules: {LATE: {when: hour > 20, severity: low, message: It is late.}}\n",
        company,
        name="team",
    ).file
    assert list(team.requirements) == [
        "payments",
        "production_changes",
        "production_deletes",
        "exports",
        "access",
        "pages",
    ]
    assert team.severities == {
        "MISSING_SUCCESS_CRITERIA": "high",
        "CONTEXT_CONFLICT": "medium",
        "TICKET_REQUIRED": "high",
    }
    assert set(team.approvals) == {"payments", "access"}
    assert team.approvals["access"] is not None
    assert team.approvals["access"].approvers == 3
    assert set(team.tools) == {"crm_list", "crm_export", "erp_post"}
    assert set(team.rules) == {"BIG_EXPORT", "LATE"}


def test_an_entry_takes_the_place_of_the_parents_as_a_whole(company: Loaded) -> None:
    team = layer("tools: {crm_export: {effects: [export, personal_data]}}\n", company, name="team").file
    entry = team.tools["crm_export"]
    assert entry is not None
    assert (entry.owner, entry.risk, sorted(entry.effects or ())) == ("", 0, ["export", "personal_data"])


def test_records_are_given_in_part(company: Loaded, default_pack: Pack) -> None:
    team = layer(
        "thresholds: {starts: 7}\n"
        "lanes: {role: verified}\n"
        "environments: {absent: production}\n"
        "risk: {production: 20, effects: {read: 1}, finding: {HIGH: 40}}\n"
        "costs: {effects: {read: {min: 0.0, max: 1.0}}}\n",
        company,
        name="team",
    ).pack
    thresholds = team.thresholds
    assert (thresholds.retries, thresholds.turns, thresholds.starts, thresholds.same_tool) == (4, 3, 7, 3)
    assert (team.lanes.approval, team.lanes.role, team.lanes.counters) == ("asserted", "verified", "asserted")
    assert team.environments.absent == "production"
    assert team.environments.production == default_pack.environments.production
    assert team.environments.needed_for == default_pack.environments.needed_for
    assert (team.risk.base, team.risk.production) == (default_pack.risk.base, 20)
    assert (team.risk.finding.MEDIUM, team.risk.finding.HIGH) == (default_pack.risk.finding.MEDIUM, 40)
    assert team.risk.effects == {**default_pack.risk.effects, "read": 1}
    assert team.costs.effects["read"].max == 1.0
    assert team.costs.effects["delete"] == default_pack.costs.effects["delete"]


def test_single_values_are_taken_from_the_parent_where_they_are_not_given(company: Loaded) -> None:
    first = layer("observe: false\nunknown_tools: deny\nmcp_servers: []\n", company, name="first")
    second = layer("", first, name="second").pack
    assert second.observe is False
    assert second.unknown_tools == "deny"
    assert second.mcp_servers == frozenset()
    assert company.pack.observe is True
    assert written(ROOT).pack.mcp_servers is None


def test_a_description_and_what_is_open_are_not_inherited(company: Loaded) -> None:
    team = layer("", layer("description: Ours.\nopen: [roles]\n", company, name="first"), name="second").file
    assert (team.description, team.open) == ("", ())


def test_a_pack_that_extends_none_stands_alone() -> None:
    pack = written(ROOT).pack
    assert (pack.id, pack.requirements, pack.approvals, pack.calendars) == ("root@1", (), (), {})
    assert decided({"goal": "Delete the users", "context": {"environment": "prod"}}, pack).verdict == "DENY"
    assert "APPROVAL_REQUIRED" not in codes(decided({"goal": "Pay the invoice"}, pack))


# -- taking away, where that is open


def test_nothing_in_the_place_of_an_entry_takes_it_away_where_that_is_open(company: Loaded) -> None:
    team = layer(
        "requirements: {exports: null}\ntools: {crm_list: null}\ncalendars: {nights: null}\n", company, name="team"
    )
    assert "exports" not in team.file.requirements
    assert set(team.file.tools) == {"crm_export"}
    assert "nights" not in team.pack.calendars
    export = {"goal": "Work on the ticket", "side_effects": ["export"]}
    assert "APPROVAL_REQUIRED" in codes(decided(export, company.pack))
    assert "APPROVAL_REQUIRED" not in codes(decided(export, team.pack))


def test_the_default_pack_opens_what_it_requires() -> None:
    free = pack_with("requirements: {payments: null, production_deletes: null}\napprovals: {payments: null}\n")
    paying = decided(
        {"goal": "Pay the invoice", "constraints": ["require_confirmation"], "context": {"confirmed": True}}, free
    )
    assert paying.verdict == "ALLOW"


#: What loosens, and the place of the company's pack that opens it.
OPENED: Final[dict[str, str]] = {
    "a severity": "severities: {MISSING_SUCCESS_CRITERIA: off}\n",
    "a requirement that asks for less": "requirements: {exports: {environments: [eu], controls: [require_mfa]}}\n",
    "other effects of a tool": "tools: {crm_export: {effects: [read]}}\n",
    "a further tool": "tools: {erp: {effects: [read]}}\n",
    "an added effect that only looks harmless": "tools: {erp: {adds: [read]}}\n",
    "a threshold": "thresholds: {retries: 9}\n",
    "a role": "roles: {admin: [operator, auditor], lead: [admin]}\n",
    "a calendar": 'calendars: {nights: {weekly: [{days: mon-sun, hours: "00:00-24:00"}]}}\n',
}


@pytest.mark.parametrize("text", OPENED.values(), ids=OPENED)
def test_what_a_parent_opens_may_be_loosened(text: str, company: Loaded) -> None:
    team = layer(text, company, name="team")
    assert compare_packs(company.file, team.file)[0][0] in "+-~"


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("thresholds: {retries: 4, turns: 4}\n", "thresholds.turns"),
        ("severities: {CONTEXT_CONFLICT: low}\n", "severities.CONTEXT_CONFLICT"),
        ("requirements: {access: null}\n", "requirements.access"),
        ("calendars: {noon: {weekly: [{days: mon, hours: '12:00-13:00'}]}}\n", "calendars.noon"),
    ],
)
def test_what_stands_beside_an_opened_entry_stays_closed(text: str, closed: str, company: Loaded) -> None:
    with pytest.raises(PolicyError) as raised:
        layer(text, company, name="team")
    assert f"does not list `{closed}` under `open`" in refusal(raised)


# -- three layers: company, team, agent


def test_a_third_layer_has_what_both_above_it_say(company: Loaded) -> None:
    team = layer("severities: {TICKET_REQUIRED: high}\nmcp_servers: [github, files]\n", company, name="team")
    agent = layer("lanes: {approval: verified}\nmcp_servers: [files]\n", team, name="agent").pack
    assert agent.severities["TICKET_REQUIRED"] == "high"
    assert agent.severities["MISSING_SUCCESS_CRITERIA"] == "high"
    assert agent.mcp_servers == frozenset({"files"})
    assert agent.lanes.approval == "verified"
    assert [rule.code for rule in agent.own] == ["BIG_EXPORT"]
    assert agent.calendars.keys() == {"always", "business_hours", "change_window", "nights", "weekdays"}


def test_what_is_open_narrows_downwards(company: Loaded) -> None:
    team = layer("open: [tools.crm_list, requirements.exports]\n", company, name="team")
    loosening = "tools: {crm_list: null}\nrequirements: {exports: null}\n"
    assert "crm_list" not in layer(loosening, team, name="agent").file.tools
    for text, closed in (
        ("tools: {crm_export: null}\n", "tools.crm_export"),
        ("severities: {MISSING_SUCCESS_CRITERIA: low}\n", "severities.MISSING_SUCCESS_CRITERIA"),
        ("roles: {lead: [admin]}\n", "roles.lead"),
    ):
        with pytest.raises(PolicyError) as raised:
            layer(text, team, name="agent")
        assert f"`team@1` does not list `{closed}` under `open`" in refusal(raised)


def test_what_a_layer_does_not_open_again_is_closed_below_it(company: Loaded) -> None:
    team = layer("", company, name="team")
    with pytest.raises(PolicyError, match=r"`team@1` does not list `tools.crm_list` under `open`"):
        layer("tools: {crm_list: null}\n", team, name="agent")
    with pytest.raises(PolicyError, match="`tools` is closed by `team@1`, and stays closed below it"):
        layer("open: [tools]\n", team, name="agent")


def test_a_part_of_what_is_open_can_be_opened_and_nothing_beside_it(company: Loaded) -> None:
    layer("open: [tools.crm_list, tools.new, roles.admin, thresholds.retries]\n", company, name="team")
    with pytest.raises(PolicyError, match="`thresholds` is closed by `company@1`"):
        layer("open: [thresholds]\n", company, name="team")


def test_a_team_may_loosen_and_close_what_the_company_opened(company: Loaded) -> None:
    team = layer("tools: {crm_export: {effects: [read]}}\nopen: []\n", company, name="team")
    with pytest.raises(PolicyError, match=r"`team@1` does not list `tools.crm_export` under `open`"):
        layer("tools: {crm_export: {effects: [compute]}}\n", team, name="agent")


def test_a_tool_with_dots_in_its_name_can_be_opened_by_itself() -> None:
    parent = layer(
        "open: [tools.db.users.list]\ntools: {db.users.list: {effects: [read]}, db.users: {effects: [read]}}\n",
        name="parent",
    )
    entry = layer("tools: {db.users.list: {effects: [compute]}}\n", parent).file.tools["db.users.list"]
    assert entry is not None
    assert entry.effects == frozenset({"compute"})
    with pytest.raises(PolicyError, match=r"tools\.db\.users: .*does not list `tools\.db\.users` under `open`"):
        layer("tools: {db.users: {effects: [compute]}}\n", parent)


def test_all_but_the_tables_of_points_and_prices_can_be_opened() -> None:
    assert {*COLLECTIONS, *RECORDS, "observe", "mcp_servers", "unknown_tools", "valid_for", "workspace"} - {
        "risk",
        "costs",
    } == OPENABLE
    opened = ", ".join(sorted(OPENABLE))
    assert set(written(f"{ROOT}open: [{opened}]\n").file.open) == OPENABLE


# -- what tightens, and stays allowed though nothing is open

#: The names of production that the default pack has.
PRODUCTION: Final = ", ".join(sorted(shipped_packs()["stage0-default"].environments.production))

CLOSED: Final = """\
severities: {APPROVER_UNNAMED: medium}
requirements: {exports: {effects: [export], environments: [production], controls: [approval required]}}
approvals: {exports: {effects: [export], max_age: 8h, by: ["*@example.com", dana]}}
roles: {lead: [dev, ops]}
calendars:
  nights:
    weekly: [{days: mon-fri, hours: "22:00-06:00"}]
    holidays: {country: DE}
    openings: [{from: 2026-05-02, to: 2026-05-03}]
tools: {"crm_*": {adds: [personal_data], owner: sales, risk: 9}}
mcp_servers: [github, files]
unknown_tools: defer
rules: {BIG: {when: records > 1000, severity: low, message: Too many.}}
"""

#: Each is allowed without any opening.
TIGHTER: Final[dict[str, str]] = {
    "a severity": "severities: {APPROVER_UNNAMED: high}\n",
    "a severity that nobody has set": "severities: {APPROVAL_EXPIRED: high}\n",
    "a severity of the parent's own rule": "severities: {BIG: high}\n",
    "a severity under pro": "pro_severities: {TICKET_REQUIRED: low}\n",
    "a further requirement": "requirements: {all: {controls: [require_ticket]}}\n",
    "a requirement of more": "requirements: {exports: {controls: [approval required, require_mfa]}}\n",
    "a requirement of more effects": (
        "requirements:\n  exports:\n    effects: [export, publish]\n    environments: [production]\n"
        "    controls: [approval required]\n"
    ),
    "a further approval rule": "approvals: {all: {approvers: 2}}\n",
    "more approvers": 'approvals: {exports: {max_age: 8h, approvers: 2, by: ["*@example.com", dana]}}\n',
    "younger approvals": 'approvals: {exports: {effects: [export], max_age: 90m, by: ["*@example.com", dana]}}\n',
    "the same age in other words": 'approvals: {exports: {max_age: 480m, by: ["*@example.com", dana]}}\n',
    "fewer approvers to choose from": "approvals: {exports: {max_age: 8h, by: [dana]}}\n",
    "approvers by a narrower pattern": 'approvals: {exports: {max_age: 8h, by: ["ann*@example.com"]}}\n',
    "verified evidence": "lanes: {approval: verified, role: verified, counters: verified}\n",
    "a role that includes less": "roles: {lead: [dev]}\n",
    "a role that includes none": "roles: {lead: [], intern: []}\n",
    "a freeze": (
        'calendars: {nights: {weekly: [{days: mon-fri, hours: "22:00-06:00"}], holidays: {country: DE},'
        " openings: [{from: 2026-05-02, to: 2026-05-03}], freezes: [{from: 2026-12-20, to: 2026-12-31}]}}\n"
    ),
    "no opening": ('calendars: {nights: {weekly: [{days: mon-fri, hours: "22:00-06:00"}], holidays: {country: DE}}}\n'),
    "lower thresholds": "thresholds: {retries: 1, same_tool: 1, same_action: 1, turns: 2, starts: 0}\n",
    "a tool that does more": 'tools: {"crm_*": {adds: [personal_data, export], owner: me}}\n',
    "fewer servers": "mcp_servers: [files]\n",
    "no servers": "mcp_servers: []\n",
    "unknown tools stopped": "unknown_tools: deny\n",
    "an ALLOW that ends sooner": "valid_for: 5m\n",
    "nobody who only watches": "observe: false\n",
    "more names of production": (f"environments: {{production: [{PRODUCTION}, eu]}}\n"),
    "fewer names of others": "environments: {non_production: [staging]}\n",
    "a missing environment that is production": "environments: {absent: production}\n",
    "an environment for more": f"environments: {{needed_for: [{', '.join(EFFECTS)}]}}\n",
    "a further rule": "rules: {SMALL: {when: records > 10, severity: low, message: Many.}}\n",
    "a rule of higher severity": "rules: {BIG: {when: records > 1000, severity: high, message: Stop.}}\n",
    "other points and prices": "risk: {base: 0, effects: {delete: 0}}\ncosts: {evaluation: {min: 0.0, max: 0.0}}\n",
}


@pytest.mark.parametrize("text", TIGHTER.values(), ids=TIGHTER)
def test_a_pack_tightens_whatever_its_parent_has(text: str) -> None:
    parent = layer(CLOSED, name="parent")
    child = layer(text, parent)
    assert compare_packs(parent.file, child.file)


def test_a_calendar_that_is_written_again_keeps_its_parents_holidays() -> None:
    parent = layer(CLOSED, name="parent")
    nights = parent.file.calendars["nights"]
    assert nights is not None
    assert nights.holidays is not None
    child = layer(TIGHTER["a freeze"], parent).file.calendars["nights"]
    assert child is not None
    assert child.holidays == nights.holidays


# -- how things are written


@pytest.mark.parametrize("name", ["PRD-EU", " prd-eu ", "ＰＲＤ-ＥＵ"])
def test_a_name_of_production_is_compared_trimmed_folded_and_in_small_letters(name: str) -> None:
    pack = pack_with(f'environments: {{production: [{PRODUCTION}, "{name}"]}}\n')
    for stated in ("prd-eu", "PRD-EU", " Prd-Eu "):
        request = {"goal": "Deploy the release", "context": {"environment": stated}}
        assert "APPROVAL_REQUIRED" in codes(decided(request, pack))


def test_a_scope_that_names_production_by_one_name_means_it_by_all() -> None:
    pack = pack_with("requirements: {exports: {effects: [export], environments: [PRD], controls: [require_ticket]}}\n")
    for stated, asked in (("prd", True), ("production", True), ("本番", True), ("staging", False)):
        request = {"goal": "Work on it", "side_effects": ["export"], "context": {"environment": stated}}
        assert ("TICKET_REQUIRED" in codes(decided(request, pack))) is asked


def test_a_pack_may_be_spread_over_files() -> None:
    files = {
        "pack.yaml": 'name: own\nversion: "1"\nextends: stage0-default\nopen: [roles]\n',
        "tools.yaml": "tools: {a: {owner: me}}\nopen: [tools]\n",
        "more.yaml": "tools: {b: {owner: you}}\nrules: {PRO: {when: pro, severity: low, message: Yes.}}\n",
        "suite.yaml": "no: suite\n",
    }
    found = loaded(source_of(files, "own"), resolver_of(lambda _: None)).file
    assert set(found.tools) == {"a", "b"}
    assert set(found.open) == {"roles", "tools"}


def test_names_and_values_may_stand_in_quotes() -> None:
    plain = "tools:\n  crm: {owner: me, adds: [export]}\nthresholds: {retries: 3}\n"
    quoted = '"tools":\n  "crm": {"owner": \'me\', \'adds\': ["export"]}\n"thresholds": {"retries": 3}\n'
    assert layer(plain).file == layer(quoted).file


def test_values_that_are_used_again_are_those_that_they_name() -> None:
    own = layer(
        "tools:\n  a: &sales {owner: sales, adds: [export]}\n  b: *sales\n  c: {<<: *sales, risk: 3}\n"
        "observe: &no false\n"
    )
    assert [entry.owner for entry in own.file.tools.values() if entry is not None] == ["sales"] * 3
    assert own.pack.observe is False


def test_a_parent_may_stand_beside_a_pack(tmp_path: Path) -> None:
    (tmp_path / "company.yaml").write_text('name: company\nversion: "3"\nextends: stage0-strict\n', encoding="utf-8")
    team = tmp_path / "team"
    team.mkdir()
    (team / "pack.yaml").write_text('name: team\nversion: "1"\nextends: company@3\n', encoding="utf-8")
    assert load_pack(team).lanes.approval == "verified"
    (team / "pack.yaml").write_text('name: team\nversion: "1"\nextends: company@4\n', encoding="utf-8")
    with pytest.raises(PolicyError, match=r"pack\.yaml:3: extends: `company` is at version `3` here, not `4`"):
        load_pack(team)


# -- stored packs


def test_a_stored_pack_decides_as_the_one_that_was_written(company: Loaded) -> None:
    content = content_of(company.file)
    stored = pack_of_content(content)
    assert file_of_content(content) == company.file
    assert content_of(file_of_content(content)) == content
    assert stored.digest == company.pack.digest
    requests: list[dict[str, Any]] = [
        {"goal": "Export the customers", "tools": ["crm_export"]},
        {"goal": "Pay the invoice", "context": {"tool_arguments": {"amount": 5}}},
        {"goal": "List the tickets", "constraints": ["allowed_change_window: nights"]},
    ]
    for request in nonempty(requests):
        assert decided(request, stored, now=NOW) == decided(request, company.pack, now=NOW)


def test_the_digest_is_that_of_all_that_a_pack_has(company: Loaded) -> None:
    texts = ["", "observe: true\n", "severities: {TICKET_REQUIRED: high}\n", "description: Other.\n", "open: [roles]\n"]
    digests = [layer(text, company).pack.digest for text in texts]
    assert len({*digests, company.pack.digest}) == len(texts) + 1
    assert layer(texts[2], company).pack.digest == digests[2]
