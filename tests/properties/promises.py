"""What the properties share: how two verdicts compare, and calls that say what they do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from stage0.core.rule import RANK
from stage0.core.verdict import Decision, Issue

#: From the least to the most that an action may do.
ORDER: Final = {"DENY": 0, "DEFER": 1, "ALLOW": 2}
BY_RANK: Final = {0: "ALLOW", RANK["LOW"]: "ALLOW", RANK["MEDIUM"]: "DEFER", RANK["HIGH"]: "DENY"}
#: What saying what is done may cure.
CURABLE: Final = frozenset({"INSUFFICIENT_CONTEXT", "ACTION_NOT_UNDERSTOOD"})
APPROVAL: Final = ("approval_status", "approved", "approved_by", "approved_at", "approval_id", "approval_reason")


def verdict_of(issues: Iterable[Issue], *, without: Iterable[str] = ()) -> str:
    """The verdict that some issues alone would give."""
    left = [RANK[issue.severity] for issue in issues if issue.code not in without]
    return BY_RANK[max(left, default=0)]


def stops(decision: Decision) -> set[str]:
    """The codes that keep an action from being allowed."""
    return {issue.code for issue in decision.issues if issue.severity != "LOW"}


def told(decision: Decision) -> str:
    """A decision in short, for a failing example."""
    return f"{decision.verdict} {decision.risk_score} {[(issue.code, issue.severity) for issue in decision.issues]}"


def not_raised(before: Decision, after: Decision, *, cured: Iterable[str] = ()) -> None:
    """The verdict did not rise, but for the codes that the change may cure."""
    most = verdict_of(before.issues, without=cured)
    assert ORDER[after.verdict] <= ORDER[most], f"{told(before)} became {told(after)}"


CALLS: Final[tuple[dict[str, Any], ...]] = (
    {"sql": "SELECT 1"},
    {"sql": "DELETE FROM users"},
    {"command": "ls -la"},
    {"command": "rm -rf /srv/data"},
    {"method": "POST", "url": "https://api.example.com/payouts", "amount": 900},
    {"query": "weather in Taipei"},
    {"path": "/etc/shadow"},
    {"command": "$(echo cm0gLXJm | base64 -d)"},
    {"environment": "production"},
    {"note": "hello"},
)
LISTS: Final = ("success_criteria", "constraints", "tools", "side_effects")


def seen(decision: Decision) -> tuple[Any, ...]:
    issues = [(issue.code, issue.severity) for issue in decision.issues]
    return decision.verdict, issues, decision.risk_score, decision.task_hash, decision.effects, decision.high_risk
