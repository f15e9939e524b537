"""Broken packs: each gives one error, in one line, that names the file, the line, the field and what to do."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest

from stage0.policy import PolicyError
from stage0.policy.format import PackFile
from tests.layering import DEFAULT, Broken, check, layer, refusal


def rule(when: str, more: str = "severity: high, message: No.") -> str:
    """A rule of a pack's own, its condition on line 6."""
    return f"rules:\n  BIG_REFUND:\n    when: {when}\n    {more.replace(', ', chr(10) + '    ')}\n"


#: Over a head of three lines that extends `stage0-default`, so that line 4 is the first one.
BROKEN: Final[dict[str, Broken]] = {
    # -- unknown fields, at every level
    "an unknown field": Broken("severity: {}\n", 4, "severity", "did you mean `severities`?"),
    "a field of an older format": Broken("windows: {}\n", 4, "windows", "there is no field `windows`"),
    "an unknown threshold": Broken("thresholds:\n  retry: 4\n", 5, "thresholds.retry", "did you mean `retries`?"),
    "an unknown lane": Broken("lanes: {aproval: verified}\n", 4, "lanes.aproval", "did you mean `approval`?"),
    "an unknown field of environments": Broken(
        "environments: {productions: [x]}\n", 4, "environments.productions", "did you mean `production`?"
    ),
    "an unknown field of a requirement": Broken(
        "requirements:\n  a:\n    effect: [delete]\n    controls: [approval required]\n",
        6,
        "requirements.a.effect",
        "did you mean `effects`?",
    ),
    "an unknown field of an approval rule": Broken(
        "approvals:\n  a: {approver: 2}\n", 5, "approvals.a.approver", "did you mean `approvers`?"
    ),
    "an unknown field of a calendar": Broken(
        "calendars:\n  night: {weeky: []}\n", 5, "calendars.night.weeky", "did you mean `weekly`?"
    ),
    "an unknown field of weekly hours": Broken(
        'calendars:\n  night:\n    weekly:\n      - {day: mon, hours: "1:00-2:00"}\n',
        7,
        "calendars.night.weekly[0].day",
        "did you mean `days`?",
    ),
    "an unknown field of a freeze": Broken(
        "calendars:\n  night: {freezes: [{start: 2026-01-01, to: 2026-01-02}]}\n",
        5,
        "calendars.night.freezes[0].start",
        "there is no field `start`; known are from, to, why",
    ),
    "an unknown field of holidays": Broken(
        "calendars:\n  night: {holidays: {county: DE}}\n",
        5,
        "calendars.night.holidays.county",
        "did you mean `country`?",
    ),
    "an unknown field of a tool": Broken("tools:\n  x: {owners: me}\n", 5, "tools.x.owners", "did you mean `owner`?"),
    "an unknown field of a rule": Broken(
        rule("high_risk", "severity: high, message: No., code: X"),
        9,
        "rules.BIG_REFUND.code",
        "there is no field `code`",
    ),
    "an unknown field of the risk table": Broken(
        "risk: {finding: {TERRIBLE: 5}}\n", 4, "risk.finding.TERRIBLE", "known are"
    ),
    "an unknown field of a price": Broken(
        "costs:\n  effects:\n    read: {minn: 1}\n", 6, "costs.effects.read.minn", "did you mean `min`?"
    ),
    # -- wrong types
    "a list instead of a mapping": Broken("severities: []\n", 4, "severities", "is a mapping of names"),
    "nothing instead of a mapping": Broken("lanes:\n", 4, "lanes", "is a mapping, this is a `nothing`"),
    "a text instead of a record": Broken("thresholds: strict\n", 4, "thresholds", "is a mapping, this is a `text`"),
    "a word instead of a number": Broken(
        "thresholds: {retries: five}\n", 4, "thresholds.retries", "`five`: expected `int`"
    ),
    "a number instead of a boolean": Broken("observe: 0\n", 4, "observe", "`0`: expected `bool"),
    "a text instead of a list": Broken("mcp_servers: github\n", 4, "mcp_servers", "`github`: expected `array"),
    "a text instead of a list of effects": Broken(
        "tools:\n  x: {adds: delete}\n", 5, "tools.x.adds", "`delete`: expected `array"
    ),
    "a number in a list of names": Broken("mcp_servers: [github, 7]\n", 4, "mcp_servers[1]", "`7`: expected `str`"),
    "a fraction of a threshold": Broken("thresholds: {turns: 2.5}\n", 4, "thresholds.turns", "`2.5`: expected `int`"),
    "a number as the name of an entry": Broken("requirements: {5: {}}\n", 4, "requirements", "`5` is no name"),
    "a number as the name of a field": Broken("5: x\n", 4, "", "`5` is no name of a field"),
    "a number as the name of a field further down": Broken(
        "tools:\n  x: {5: y}\n", 5, "tools.x", "a name in it is no text"
    ),
    "an entry that is a list": Broken("approvals: {a: [2]}\n", 4, "approvals.a", "expected `object`"),
    "an empty name of an entry": Broken('requirements: {"": {}}\n', 4, "requirements", "`` is no name"),
    "a text too long": Broken(
        rule("high_risk", f"severity: high, message: {'x' * 2_001}"), 8, "rules.BIG_REFUND.message", "2000"
    ),
    # -- numbers out of range
    "a threshold of no call": Broken("thresholds: {same_tool: 0}\n", 4, "thresholds.same_tool", ">= 1"),
    "a threshold beyond what is remembered": Broken("thresholds: {turns: 5}\n", 4, "thresholds.turns", "<= 4"),
    "no approver": Broken("approvals:\n  a: {approvers: 0}\n", 5, "approvals.a.approvers", "`0`: expected `int` >= 1"),
    "a negative weight": Broken(
        "risk:\n  effects: {delete: -5}\n", 5, "risk.effects.delete", "`-5`: expected `int` >= 0"
    ),
    "points beyond all": Broken("tools:\n  x: {risk: 101}\n", 5, "tools.x.risk", "`101`: expected `int` <= 100"),
    "a price below nothing": Broken(
        "costs: {evaluation: {min: -1.0, max: 1.0}}\n", 4, "costs.evaluation", "is no price"
    ),
    "a price that is no number": Broken(
        "costs: {effects: {read: {min: .nan, max: .nan}}}\n", 4, "costs.effects.read", "is no price"
    ),
    # -- values that there are not
    "an unknown severity": Broken(
        "severities: {TICKET_REQUIRED: fatal}\n",
        4,
        "severities.TICKET_REQUIRED",
        "there is no `fatal`; known are high, low, medium, off",
    ),
    "a severity in capitals": Broken(
        "severities: {TICKET_REQUIRED: HIGH}\n", 4, "severities.TICKET_REQUIRED", "did you mean `high`?"
    ),
    "an unknown severity of a rule": Broken(
        rule("high_risk", "severity: off, message: No."), 7, "rules.BIG_REFUND.severity", "known are high, low, medium"
    ),
    "an unknown value of a lane": Broken("lanes: {role: verifed}\n", 4, "lanes.role", "did you mean `verified`?"),
    "a work tree that is no yes or no": Broken("workspace: /repo\n", 4, "workspace", "bool"),
    "an ALLOW for ever": Broken("valid_for: never\n", 4, "valid_for", "is not a duration from 1s to 24h"),
    "an ALLOW for no time": Broken("valid_for: 0s\n", 4, "valid_for", "is not a duration from 1s to 24h"),
    "an unknown way with unknown tools": Broken("unknown_tools: denied\n", 4, "unknown_tools", "did you mean `deny`?"),
    "an unknown code": Broken(
        "severities:\n  TICKET_REQUIRED: high\n  TICKET_REQUIRD: high\n",
        6,
        "severities.TICKET_REQUIRD",
        "did you mean `TICKET_REQUIRED`?",
    ),
    "an unknown code under pro": Broken(
        "pro_severities: {MFA_REQUIRED: high}\n", 4, "pro_severities.MFA_REQUIRED", "there is no rule `MFA_REQUIRED`"
    ),
    "an unknown effect of a requirement": Broken(
        "requirements:\n  a:\n    controls: [approval required]\n    effects:\n      - delete\n      - deleet\n",
        9,
        "requirements.a.effects[1]",
        "did you mean `delete`?",
    ),
    "an unknown effect of an approval rule": Broken(
        "approvals:\n  a: {effects: [payment], approvers: 2}\n", 5, "approvals.a.effects[0]", "there is no `payment`"
    ),
    "an unknown effect of a tool": Broken(
        "tools:\n  x: {effects: [read], adds: [exprt]}\n", 5, "tools.x.adds[0]", "did you mean `export`?"
    ),
    "an unknown effect that needs an environment": Broken(
        "environments: {needed_for: [deploy]}\n", 4, "environments.needed_for[0]", "did you mean `deployment`?"
    ),
    "an unknown effect in the risk table": Broken(
        "risk: {effects: {deleet: 1}}\n", 4, "risk.effects.deleet", "did you mean `delete`?"
    ),
    "an unknown effect in the cost table": Broken(
        "costs: {effects: {raed: {min: 0.0, max: 1.0}}}\n", 4, "costs.effects.raed", "did you mean `read`?"
    ),
    "an unknown meaning of a missing environment": Broken(
        "environments: {absent: prodution}\n", 4, "environments.absent", "did you mean `production`?"
    ),
    # -- YAML itself
    "a duplicate key": Broken("observe: true\nlanes: {}\nobserve: false\n", 6, "", 'duplicate key "observe"'),
    "a duplicate key further down": Broken(
        "severities:\n  TICKET_REQUIRED: high\n  RUNBOOK_REQUIRED: low\n  TICKET_REQUIRED: low\n",
        7,
        "",
        'duplicate key "TICKET_REQUIRED"',
    ),
    "a bracket that is not closed": Broken("lanes: {role\n", 5, "", "expected"),
    "a tab": Broken("lanes:\n\trole: verified\n", 5, "", "token"),
    "an alias to nothing": Broken("lanes: *strict\n", 4, "", "undefined alias"),
    # -- names
    "a second name": Broken("description: x\nname: Own\n", 5, "", 'duplicate key "name"'),
    "a rule in small letters": Broken(
        "rules:\n  big_refund: {when: high_risk, severity: high, message: No.}\n", 5, "rules.big_refund", "BIG_REFUND"
    ),
    "a rule with a built-in code": Broken(
        "rules:\n  TICKET_REQUIRED: {when: high_risk, severity: high, message: No.}\n",
        5,
        "rules.TICKET_REQUIRED",
        "is a built-in rule: choose another code",
    ),
    "a calendar with a hyphen": Broken(
        'calendars:\n  night-shift: {weekly: [{days: mon, hours: "1:00-2:00"}]}\n',
        5,
        "calendars.night-shift",
        "use small letters, digits and underscores",
    ),
    # -- requirements
    "a requirement without controls": Broken(
        "requirements:\n  a: {effects: [delete]}\n", 5, "requirements.a", "needs the field `controls`"
    ),
    "a requirement of nothing": Broken(
        "requirements:\n  a: {effects: [delete], controls: []}\n", 5, "requirements.a.controls", "asks for nothing"
    ),
    "a requirement that is switched off": Broken(
        'requirements:\n  a: {controls: ["require_mfa: no"]}\n',
        5,
        "requirements.a.controls",
        "switches the control off",
    ),
    "a constraint that there is not": Broken(
        "requirements:\n  a: {controls: [aproval_required]}\n",
        5,
        "requirements.a.controls",
        "did you mean `approval_required`?",
    ),
    "a constraint with a value that cannot be read": Broken(
        'requirements:\n  a: {controls: ["max_records: many"]}\n',
        5,
        "requirements.a.controls",
        "the value cannot be read",
    ),
    "a constraint with an unknown calendar": Broken(
        'requirements:\n  a: {controls: ["allowed_change_window: busines_hours"]}\n',
        5,
        "requirements.a.controls",
        "did you mean `business_hours`?",
    ),
    "a code without an approval": Broken(
        "requirements:\n  a: {controls: [require_mfa], code: APPROVAL_REQUIRED}\n",
        5,
        "requirements.a.code",
        "no approval is asked for here",
    ),
    "a code of a conditional approval": Broken(
        "requirements:\n  a: {controls: [require approval for destructive actions], code: APPROVAL_REQUIRED}\n",
        5,
        "requirements.a.code",
        "no approval is asked for here",
    ),
    "an unknown code of a requirement": Broken(
        "requirements:\n  a: {controls: [approval required], code: TICKET_REQUIRED}\n",
        5,
        "requirements.a.code",
        "`TICKET_REQUIRED` is none of APPROVAL_REQUIRED, DESTRUCTIVE_ACTION_REQUIRES_APPROVAL",
    ),
    # -- approval rules
    "an approval rule that says nothing": Broken(
        "approvals:\n  a: {effects: [delete]}\n", 5, "approvals.a", "says nothing of an approval"
    ),
    "an age that is no duration": Broken("approvals:\n  a: {max_age: soon}\n", 5, "approvals.a.max_age", "write `24h`"),
    "an age of nothing": Broken("approvals:\n  a: {max_age: 0h}\n", 5, "approvals.a.max_age", "`0h` is no duration"),
    "a pattern with a space at its end": Broken(
        'approvals:\n  a: {by: ["ann "]}\n', 5, "approvals.a.by", "`ann ` is no pattern"
    ),
    # -- tools and roles
    "a tool's pattern with a space": Broken('tools:\n  " x": {owner: me}\n', 5, "tools. x", "is no pattern"),
    "a tool's pattern that is too long": Broken(
        f"tools:\n  {'x' * 257}: {{owner: me}}\n", 5, f"tools.{'x' * 257}", "1 to 256 characters"
    ),
    "a pattern in a scope that is blank": Broken(
        'requirements:\n  a: {controls: [require_mfa], tools: ["", b]}\n', 5, "requirements.a.tools", "is no pattern"
    ),
    "a tool that does nothing": Broken("tools:\n  x: {effects: []}\n", 5, "tools.x.effects", "no tool does nothing"),
    "a role that includes itself": Broken("roles:\n  lead: [lead]\n", 5, "roles.lead", "includes itself"),
    "roles that include each other": Broken(
        "roles:\n  lead: [dev]\n  dev: [ops]\n  ops: [lead]\n", 5, "roles.lead", "includes itself"
    ),
    "a role of nothing": Broken("roles: {lead: null}\n", 4, "roles.lead", "expected `array`"),
    # -- the rules of a pack's own
    "a condition that does not parse": Broken(rule("amount >"), 6, "rules.BIG_REFUND.when", "Syntax error"),
    "a condition of several lines that does not parse": Broken(
        "rules:\n  BIG_REFUND:\n    severity: high\n    message: No.\n    when: |\n      amount > 100.0\n      && &&\n",
        8,
        "rules.BIG_REFUND.when",
        "line 2",
    ),
    "an unknown fact": Broken(rule("amout > 100.0"), 6, "rules.BIG_REFUND.when", "did you mean `amount`?"),
    "a fact of another type": Broken(
        rule("amount > 100"), 6, "rules.BIG_REFUND.when", "a number with a fraction is written `100.0`"
    ),
    "a text compared with a number": Broken(
        rule("goal == 5"), 6, "rules.BIG_REFUND.when", "`==` does not take (string, int)"
    ),
    "a function that there is not": Broken(rule("lower(goal) == 'x'"), 6, "rules.BIG_REFUND.when", "lower"),
    "a condition that is a number": Broken(rule("amount"), 6, "rules.BIG_REFUND.when", "gives a `double`"),
    "a condition that is a text": Broken(rule("goal + 'x'"), 6, "rules.BIG_REFUND.when", "gives a `string`"),
    "a condition of no known type": Broken(rule("arguments.flag"), 6, "rules.BIG_REFUND.when", "gives a `dyn`"),
    "a condition that always holds": Broken(rule("1 < 2"), 6, "rules.BIG_REFUND.when", "holds for every action"),
    "a condition that never holds": Broken(rule("'false'"), 6, "rules.BIG_REFUND.when", "can never hold"),
    "a condition that holds whatever it asks": Broken(
        rule("high_risk || true"), 6, "rules.BIG_REFUND.when", "holds for every action"
    ),
    "a condition that fails whatever it asks": Broken(
        rule("high_risk && 1 > 2"), 6, "rules.BIG_REFUND.when", "can never hold"
    ),
    "a condition that nobody can work out": Broken(
        rule("1 / 0 > 1"), 6, "rules.BIG_REFUND.when", "cannot be worked out"
    ),
    "an effect that nothing has": Broken(
        rule("\"'deleet' in effects\""), 6, "rules.BIG_REFUND.when", "did you mean `delete`?"
    ),
    "an effect that nothing has, in other quotes": Broken(
        rule("'high_risk && \"payment\" in effects'"),
        6,
        "rules.BIG_REFUND.when",
        "no action ever has the effect `payment`",
    ),
    "an unknown calendar": Broken(
        rule('"!calendars.busines_hours"'), 6, "rules.BIG_REFUND.when", "did you mean `business_hours`?"
    ),
    "an unknown calendar in brackets": Broken(
        rule("\"calendars['nights']\""), 6, "rules.BIG_REFUND.when", "there is no calendar `nights`"
    ),
    "a calendar that is worked out": Broken(
        rule("calendars[environment]"), 6, "rules.BIG_REFUND.when", "write `calendars.business_hours`"
    ),
    "two rules with one condition": Broken(
        "rules:\n  ONE: {when: amount > 9.0, severity: high, message: No.}\n"
        "  TWO:\n    message: No.\n    severity: low\n    when: |\n      amount\n        > 9.0\n",
        9,
        "rules.TWO.when",
        "`ONE` has the same condition",
    ),
    "a rule without a condition": Broken(
        "rules:\n  ONE: {severity: high, message: No.}\n", 5, "rules.ONE", "needs the field `when`"
    ),
    "a rule without a message": Broken(
        "rules:\n  ONE: {when: pro, severity: high}\n", 5, "rules.ONE", "needs the field `message`"
    ),
    "an empty condition": Broken(rule('""'), 6, "rules.BIG_REFUND.when", "length >= 1"),
    "a placeholder that is no fact": Broken(
        rule("high_risk", "severity: high, message: '{amuont} is too much.'"),
        8,
        "rules.BIG_REFUND.message",
        "did you mean `amount`?",
    ),
    "a placeholder in a question": Broken(
        rule("high_risk", "severity: high, message: No., question: 'Why {}?'"),
        9,
        "rules.BIG_REFUND.question",
        "there is no fact ``",
    ),
    "a placeholder that reaches into a fact": Broken(
        rule("high_risk", "severity: high, message: '{arguments.amount}'"),
        8,
        "rules.BIG_REFUND.message",
        "there is no fact `arguments.amount`",
    ),
    "a placeholder with a format": Broken(
        rule("high_risk", "severity: high, message: '{amount:.2f}'"),
        8,
        "rules.BIG_REFUND.message",
        "write `{amount}` alone",
    ),
    "a placeholder that is not closed": Broken(
        rule("high_risk", "severity: high, message: '{amount'"),
        8,
        "rules.BIG_REFUND.message",
        "a brace that is meant is written twice",
    ),
    "a rule that is off": Broken(
        "rules:\n  ONE: {when: pro, severity: high, message: No.}\nseverities: {ONE: off}\n",
        5,
        "rules.ONE",
        "can never fire",
    ),
    # -- calendars
    "a calendar that never opens": Broken("calendars:\n  night: {zone: UTC}\n", 5, "calendars.night", "never opens"),
    "a calendar with empty hours": Broken(
        "calendars:\n  night: {weekly: [], openings: []}\n", 5, "calendars.night", "never opens"
    ),
    "a span that ends when it begins": Broken(
        "calendars:\n  night:\n    weekly:\n"
        '      - {days: mon, hours: "01:00-02:00"}\n      - {days: tue, hours: "03:00-03:00"}\n',
        8,
        "calendars.night.weekly[1].hours",
        "never opens",
    ),
    "a span at the end of all hours": Broken(
        'calendars:\n  night: {weekly: [{days: mon, hours: "24:00-00:00"}]}\n',
        5,
        "calendars.night.weekly[0].hours",
        "begin before",
    ),
    "an opening that a freeze covers": Broken(
        "calendars:\n  night:\n    openings: [{from: 2026-05-02, to: 2026-05-03}]\n"
        "    freezes: [{from: 2026-05-01, to: 2026-05-04}]\n",
        7,
        "calendars.night.freezes",
        "every opening lies in a freeze",
    ),
    "no span of hours": Broken(
        "calendars:\n  night: {weekly: [{days: mon, hours: 9-17}]}\n", 5, "calendars.night.weekly[0].hours", "`9-17`"
    ),
    "an hour that there is not": Broken(
        'calendars:\n  night: {weekly: [{days: mon, hours: "22:00-26:00"}]}\n',
        5,
        "calendars.night.weekly[0].hours",
        "hours are 00:00 to 24:00",
    ),
    "no days": Broken(
        'calendars:\n  night: {weekly: [{days: workdays, hours: "1:00-2:00"}]}\n',
        5,
        "calendars.night.weekly[0].days",
        "`workdays` names no days; write `mon-fri`",
    ),
    "an unknown zone": Broken(
        "calendars:\n  night:\n    zone: Europe/Berln\n    openings: [{from: 2026-05-02, to: 2026-05-03}]\n",
        6,
        "calendars.night.zone",
        "did you mean `Europe/Berlin`?",
    ),
    "an unknown country": Broken(
        'calendars:\n  night:\n    weekly: [{days: mon, hours: "1:00-2:00"}]\n    holidays: {country: germany}\n',
        7,
        "calendars.night.holidays.country",
        "use an ISO code such as `DE`",
    ),
    "an unknown part of a country": Broken(
        'calendars:\n  night:\n    weekly: [{days: mon, hours: "1:00-2:00"}]\n'
        "    holidays: {country: DE, subdivision: BYE}\n",
        7,
        "calendars.night.holidays.subdivision",
        "did you mean `BY`?",
    ),
    "holidays that are listed by hand": Broken(
        'calendars:\n  night:\n    weekly: [{days: mon, hours: "1:00-2:00"}]\n'
        "    holidays: {country: DE, years: [2026, 2027], days: [2026-01-01, Easter]}\n",
        7,
        "calendars.night.holidays.days",
        "is filled in when the pack is made: leave it out",
    ),
    "a time without an offset": Broken(
        "calendars:\n  night: {openings: [{from: 2026-05-02T10:00:00, to: 2026-05-02T11:00:00Z}]}\n",
        5,
        "calendars.night.openings[0].from",
        "no offset from UTC",
    ),
    "a time that there is not": Broken(
        "calendars:\n  night: {openings: [{from: 2026-02-30, to: 2026-03-01}]}\n",
        5,
        "calendars.night.openings[0].from",
        "`2026-02-30` is neither a date",
    ),
    "a period that ends before it begins": Broken(
        "calendars:\n  night: {openings: [{from: 2026-03-02, to: 2026-03-01}]}\n",
        5,
        "calendars.night.openings[0].to",
        "lies before `2026-03-02`",
    ),
    "a period of a date and a time": Broken(
        "calendars:\n  night: {openings: [{from: 2026-03-01, to: 2026-03-02T10:00:00Z}]}\n",
        5,
        "calendars.night.openings[0]",
        "give two of one kind",
    ),
    # -- what is open, and what is taken away
    "opening what there is not": Broken("open: [tools, tols]\n", 4, "open[1]", "did you mean `tools`?"),
    "opening the risk table": Broken("open: [risk]\n", 4, "open[0]", "`risk` cannot be opened"),
    "opening an unknown code": Broken(
        "open:\n  - severities.UNCLEAR_VALUE_SIGNL\n", 5, "open[0]", "did you mean `UNCLEAR_VALUE_SIGNAL`?"
    ),
    "opening an unknown threshold": Broken("open: [thresholds.retry]\n", 4, "open[0]", "did you mean `retries`?"),
    "opening what the parent closed": Broken(
        "open: [tools, lanes]\n", 4, "open[1]", f"is closed by `{DEFAULT}`, and stays closed below it"
    ),
    "opening more than the parent did": Broken(
        "open: [severities]\n", 4, "open[0]", f"`severities` is closed by `{DEFAULT}`"
    ),
    "opening a part that the parent closed": Broken(
        "open: [environments.production]\n", 4, "open[0]", "`environments.production` is closed"
    ),
    "taking away what is not there": Broken(
        "requirements:\n  production_delete: null\n",
        5,
        "requirements.production_delete",
        "did you mean `production_deletes`?",
    ),
    # -- the kill switch
    "a weaker kill switch": Broken("severities: {KILL_SWITCH: low}\n", 4, "severities.KILL_SWITCH", "looser"),
    "a kill switch of the same severity": Broken(
        "severities: {KILL_SWITCH: high}\n", 4, "severities.KILL_SWITCH", "a pack cannot change it"
    ),
    "a kill switch under pro": Broken(
        "pro_severities: {KILL_SWITCH: high}\n", 4, "pro_severities.KILL_SWITCH", "a pack cannot change it"
    ),
    # -- loosening what the default pack keeps closed
    "a lower severity": Broken(
        "severities:\n  SIDE_EFFECTS_NEED_GUARDRAILS: medium\n",
        5,
        "severities.SIDE_EFFECTS_NEED_GUARDRAILS",
        f"`medium` is looser than `high`; `{DEFAULT}` does not list `severities.SIDE_EFFECTS_NEED_GUARDRAILS`",
    ),
    "a rule switched off": Broken(
        "severities: {TICKET_REQUIRED: off}\n", 4, "severities.TICKET_REQUIRED", "`off` is looser than `medium`"
    ),
    "a lower severity under pro": Broken(
        "pro_severities: {SENSITIVE_TOOLS_NEED_CONSTRAINTS: low}\n",
        4,
        "pro_severities.SENSITIVE_TOOLS_NEED_CONSTRAINTS",
        "`low` is looser than `medium`",
    ),
    "production without one of its names": Broken(
        "environments: {production: [production, prod, live]}\n", 4, "environments.production", "leaves out `prd`"
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_pack_gives_one_error_that_names_the_file_the_line_the_field_and_what_to_do(broken: Broken) -> None:
    with pytest.raises(PolicyError) as raised:
        layer(broken.text)
    check(broken, refusal(raised))


#: What stands in the head of a pack; `test_broken_files.py` breaks it.
HEAD: Final = {"name", "version", "extends", "description"}


def test_every_field_of_a_pack_is_shown_broken() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(PackFile)} - HEAD
    assert {broken.field.partition(".")[0].partition("[")[0] for broken in BROKEN.values()} >= fields
