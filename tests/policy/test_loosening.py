"""What a parent keeps closed stays as it is: each way to loosen it gives one error that says what it did not open."""

from __future__ import annotations

from typing import Final

import pytest

from stage0.policy import PolicyError
from stage0.policy.load import Loaded
from tests.layering import Broken, check, layer, refusal

#: Everything that a pack can have, and nothing of it open.
CLOSED: Final = """\
observe: false
severities: {MISSING_SUCCESS_CRITERIA: medium}
pro_severities: {HIDDEN_TEXT: high}
requirements:
  exports: {effects: [export, publish], environments: [production], controls: [approval required, require_ticket]}
  tools: {tools: [pay_*], controls: [require_mfa]}
approvals:
  exports: {effects: [export], approvers: 2, max_age: 8h, by: ["*@example.com"]}
  anything: {effects: [delete], by: [ann, bob]}
lanes: {approval: asserted, role: verified, counters: verified}
roles: {lead: [dev]}
calendars:
  nights: {weekly: [{days: mon-fri, hours: "22:00-06:00"}], freezes: [{from: 2026-12-20, to: 2026-12-31}]}
  blackout: {openings: [{from: 2026-12-24, to: 2026-12-26}]}
thresholds: {retries: 3}
tools:
  crm_export: {effects: [export], adds: [personal_data], owner: sales}
  "crm_*": {adds: [personal_data]}
mcp_servers: [github, files]
unknown_tools: defer
environments:
  absent: production
  needed_for: [delete, deployment, schema_change, access_change, config_change, publish]
rules:
  BIG_REFUND: {when: amount > 100.0, severity: medium, message: Too much.}
  BLACKOUT: {when: calendars.blackout && high_risk, severity: high, message: Not now.}
"""


@pytest.fixture(scope="module")
def closed() -> Loaded:
    """A pack that opens nothing."""
    return layer(CLOSED, name="closed")


#: What loosens it: the lines, the line and field that are named, and what is said. What has to be opened is the field,
#: as far as its first two parts.
LOOSER: Final[dict[str, Broken]] = {
    "a severity": Broken(
        "severities: {MISSING_SUCCESS_CRITERIA: low}\n",
        4,
        "severities.MISSING_SUCCESS_CRITERIA",
        "`low` is looser than `medium`",
    ),
    "a severity that a grandparent set": Broken(
        "severities: {HIDDEN_TEXT: low}\n", 4, "severities.HIDDEN_TEXT", "`low` is looser than `medium`"
    ),
    "a severity that a grandparent opened": Broken(
        "severities: {APPROVER_UNNAMED: off}\n", 4, "severities.APPROVER_UNNAMED", "`off` is looser than `low`"
    ),
    "a severity of the parent's own rule": Broken(
        "severities: {BIG_REFUND: low}\n", 4, "severities.BIG_REFUND", "`low` is looser than `medium`"
    ),
    "a severity under pro": Broken(
        "pro_severities: {HIDDEN_TEXT: medium}\n", 4, "pro_severities.HIDDEN_TEXT", "`medium` is looser than `high`"
    ),
    "a requirement taken away": Broken(
        "requirements:\n  exports: null\n", 5, "requirements.exports", "takes away what the parent has"
    ),
    "a requirement of a grandparent taken away": Broken(
        "requirements: {payments: null}\n", 4, "requirements.payments", "takes away what the parent has"
    ),
    "a requirement of fewer effects": Broken(
        "requirements:\n  exports: {effects: [export], controls: [approval required, require_ticket]}\n",
        5,
        "requirements.exports",
        "covers less than the parent's: effects without publish",
    ),
    "a requirement in other environments": Broken(
        "requirements:\n  exports:\n    effects: [export, publish]\n    environments: [prod]\n"
        "    controls: [approval required, require_ticket]\n",
        5,
        "requirements.exports",
        "environments without production",
    ),
    "a requirement of fewer tools": Broken(
        "requirements: {tools: {tools: [pay_invoice], controls: [require_mfa]}}\n",
        4,
        "requirements.tools",
        "tools without pay_*",
    ),
    "a requirement of any tool limited to one": Broken(
        "requirements:\n  exports:\n    tools: [x]\n    effects: [export, publish]\n"
        "    controls: [approval required, require_ticket]\n",
        5,
        "requirements.exports",
        "tools without any",
    ),
    "a requirement of fewer controls": Broken(
        "requirements: {exports: {effects: [export, publish], controls: [approval required]}}\n",
        4,
        "requirements.exports",
        "asks for less than the parent's: without `require_ticket`",
    ),
    "a requirement with another code": Broken(
        "requirements: {exports: {effects: [export, publish], controls: [approval required, require_ticket],"
        " code: DESTRUCTIVE_ACTION_REQUIRES_APPROVAL}}\n",
        4,
        "requirements.exports",
        "another code",
    ),
    "an approval rule taken away": Broken("approvals: {exports: null}\n", 4, "approvals.exports", "takes away"),
    "fewer approvers": Broken(
        'approvals: {exports: {effects: [export], max_age: 8h, by: ["*@example.com"]}}\n',
        4,
        "approvals.exports",
        "fewer approvers than the parent's 2",
    ),
    "older approvals": Broken(
        'approvals: {exports: {effects: [export], approvers: 2, max_age: 9h, by: ["*@example.com"]}}\n',
        4,
        "approvals.exports",
        "grow older than the parent's 8h",
    ),
    "approvals of any age": Broken(
        'approvals: {exports: {effects: [export], approvers: 2, by: ["*@example.com"]}}\n',
        4,
        "approvals.exports",
        "grow older than the parent's 8h",
    ),
    "approvals of a grandparent that grow older": Broken(
        "approvals: {payments: {effects: [money_movement], max_age: 2d}}\n", 4, "approvals.payments", "the parent's 24h"
    ),
    "further approvers": Broken(
        "approvals: {anything: {effects: [delete], by: [ann, bob, eve]}}\n",
        4,
        "approvals.anything",
        "lets others approve",
    ),
    "approvers by a wider pattern": Broken(
        "approvals: {anything: {effects: [delete], by: [a*]}}\n", 4, "approvals.anything", "lets others approve"
    ),
    "anybody as approver": Broken(
        "approvals: {exports: {effects: [export], approvers: 2, max_age: 8h}}\n",
        4,
        "approvals.exports",
        "lets others approve",
    ),
    "an approval rule of other effects": Broken(
        "approvals: {anything: {effects: [publish], by: [ann]}}\n", 4, "approvals.anything", "effects without delete"
    ),
    "an approval rule limited to an environment": Broken(
        "approvals: {anything: {effects: [delete], environments: [staging], by: [ann]}}\n",
        4,
        "approvals.anything",
        "environments without any",
    ),
    "a lane": Broken("lanes: {role: asserted}\n", 4, "lanes.role", "`asserted` is looser than `verified`"),
    "the lane of counters": Broken("lanes:\n  counters: asserted\n", 5, "lanes.counters", "`asserted` is looser"),
    "a role that includes more": Broken("roles: {lead: [dev, admin]}\n", 4, "roles.lead", "includes `admin` as well"),
    "a further role": Broken("roles: {intern: [lead]}\n", 4, "roles.intern", "includes `lead` as well"),
    "a further calendar": Broken(
        'calendars: {noon: {weekly: [{days: mon, hours: "12:00-13:00"}]}}\n', 4, "calendars.noon", "is a further window"
    ),
    "a calendar with other hours": Broken(
        'calendars:\n  nights:\n    weekly: [{days: mon-sun, hours: "22:00-06:00"}]\n'
        "    freezes: [{from: 2026-12-20, to: 2026-12-31}]\n",
        5,
        "calendars.nights",
        "is another calendar than the parent's",
    ),
    "a calendar in another zone": Broken(
        "calendars: {blackout: {zone: Asia/Tokyo, openings: [{from: 2026-12-24, to: 2026-12-26}]}}\n",
        4,
        "calendars.blackout",
        "is another calendar than the parent's",
    ),
    "a calendar without its freeze": Broken(
        'calendars: {nights: {weekly: [{days: mon-fri, hours: "22:00-06:00"}]}}\n',
        4,
        "calendars.nights",
        "is another calendar than the parent's",
    ),
    "a calendar with an opening": Broken(
        'calendars:\n  nights:\n    weekly: [{days: mon-fri, hours: "22:00-06:00"}]\n'
        "    freezes: [{from: 2026-12-20, to: 2026-12-31}]\n    openings: [{from: 2026-05-01, to: 2026-05-01}]\n",
        5,
        "calendars.nights",
        "is another calendar than the parent's",
    ),
    "a calendar taken away": Broken("calendars: {nights: null}\n", 4, "calendars.nights", "takes away"),
    "a calendar closed that a rule of the parent asks": Broken(
        "calendars:\n  blackout:\n    openings: [{from: 2026-12-24, to: 2026-12-26}]\n"
        "    freezes: [{from: 2026-12-25, to: 2026-12-25}]\n",
        5,
        "calendars.blackout",
        "is asked by the condition of the parent's `BLACKOUT`",
    ),
    "a threshold": Broken("thresholds: {retries: 4}\n", 4, "thresholds.retries", "4 is looser than 3"),
    "a threshold of a grandparent": Broken(
        "thresholds: {starts: 11}\n", 4, "thresholds.starts", "11 is looser than 10"
    ),
    "other effects of a tool": Broken(
        "tools: {crm_export: {effects: [read], adds: [personal_data]}}\n", 4, "tools.crm_export", "instead of its name"
    ),
    "no effects of a tool": Broken(
        "tools: {crm_export: {adds: [personal_data]}}\n", 4, "tools.crm_export", "instead of its name"
    ),
    "effects of a pattern": Broken(
        "tools: {'crm_*': {effects: [read], adds: [personal_data]}}\n", 4, "tools.crm_*", "instead of its name"
    ),
    "fewer effects that a tool adds": Broken(
        "tools: {crm_export: {effects: [export]}}\n", 4, "tools.crm_export", "takes away personal_data"
    ),
    "a further tool": Broken(
        "tools: {erp: {adds: [export]}}\n",
        4,
        "tools.erp",
        "registers a tool, and the parent stops those that it does not know",
    ),
    "an added effect that only looks harmless": Broken(
        "tools: {erp: {adds: [read]}}\n", 4, "tools.erp", "adds only read"
    ),
    "a tool taken away": Broken("tools: {crm_export: null}\n", 4, "tools.crm_export", "takes away"),
    "a further MCP server": Broken("mcp_servers: [github, shell]\n", 4, "mcp_servers", "allows `shell`"),
    "unknown tools allowed": Broken("unknown_tools: allow\n", 4, "unknown_tools", "`allow` is looser than `defer`"),
    "an ALLOW that holds for longer": Broken(
        "valid_for: 11m\n", 4, "valid_for", "lets an ALLOW hold for longer than the parent's 10m"
    ),
    "a work tree": Broken("workspace: true\n", 4, "workspace", "takes changes inside of a work tree for ones"),
    "keys that only watch": Broken("observe: true\n", 4, "observe", "lets keys only watch"),
    "an environment that needs none": Broken(
        "environments: {needed_for: [delete]}\n", 4, "environments.needed_for", "leaves out `access_change`"
    ),
    "a further harmless environment": Broken(
        "environments:\n  non_production: [staging, demo]\n", 5, "environments.non_production", "adds `demo`"
    ),
    "a missing environment that counts as none": Broken(
        "environments: {absent: ''}\n", 4, "environments.absent", "no longer takes an environment that is left out"
    ),
    "a rule taken away": Broken("rules: {BIG_REFUND: null}\n", 4, "rules.BIG_REFUND", "takes away"),
    "another condition": Broken(
        "rules: {BIG_REFUND: {when: amount > 1000.0, severity: medium, message: No.}}\n",
        4,
        "rules.BIG_REFUND",
        "another condition than the parent's: add a rule of your own",
    ),
    "a condition that is stricter, as nobody can tell": Broken(
        "rules: {BIG_REFUND: {when: amount > 10.0, severity: medium, message: No.}}\n",
        4,
        "rules.BIG_REFUND",
        "another condition than the parent's",
    ),
    "a rule of lower severity": Broken(
        "rules: {BLACKOUT: {when: calendars.blackout && high_risk, severity: medium, message: No.}}\n",
        4,
        "rules.BLACKOUT",
        "`medium` is looser than `high`",
    ),
}


@pytest.mark.parametrize("broken", LOOSER.values(), ids=LOOSER)
def test_a_pack_cannot_loosen_what_its_parent_keeps_closed(broken: Broken, closed: Loaded) -> None:
    with pytest.raises(PolicyError) as raised:
        layer(broken.text, closed)
    message = refusal(raised)
    check(broken, message)
    opening = ".".join(broken.field.split(".", 2)[:2])
    assert message.endswith(f"; `closed@1` does not list `{opening}` under `open`")


@pytest.mark.parametrize(
    ("opened", "line"), [("lanes", 4), ("severities.HIDDEN_TEXT", 4), ("tools", 4), ("rules.BIG_REFUND", 4)]
)
def test_what_the_parent_closed_stays_closed(opened: str, line: int, closed: Loaded) -> None:
    with pytest.raises(PolicyError) as raised:
        layer(f"open: [{opened}]\n", closed)
    check(
        Broken("", line, "open[0]", f"`{opened}` is closed by `closed@1`, and stays closed below it"), refusal(raised)
    )
