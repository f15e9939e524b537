"""A pack that extends another one is never more permissive, but for what its parent opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from stage0.core.verdict import Decision
from stage0.policy import PolicyError
from stage0.policy.load import Loaded
from tests.asserting import nonempty
from tests.deciding import decided
from tests.pack_strategies import FIELDS, Fields, anything, child_of, parents, tightening
from tests.properties.promises import ORDER, told
from tests.rules.test_rules import CASES
from tests.strategies import CALLERS, CONTROLS, RUNS, TIMES, Situation, at, situations

_APPROVED: Final[Fields] = {"approval_status": "approved", "approved_at": at(-600.0)}

#: What stands in few requests alone, so that one change of a pack is seen in many.
TOOLS: Final = (
    *(
        "list_tickets",
        "get_report",
        "db.users.count",
        "db.users.delete",
        "update_customer",
        "deleteUsers",
        "frobnicate",
    ),
    *("shell", "run_tests", "mcp__git__log", "mcp__evil__read", "メール送信", "prod_db_list"),
)
EFFECTS: Final = ("read", "write", "overwrite", "delete", "payment", "deployment", "publish", "export", "pii")
GOALS: Final = (
    "List the open tickets",
    "Work on the issue",
    "Deploy the release",
    "Pay the invoice",
    "Lösche alle Benutzer",
)
CONSTRAINTS: Final = (
    *[control.text for control in CONTROLS],
    *("required_role: viewer", "approval required", "sandbox", "allowed_environment: staging, qa") * 4,
    *("business-hours only", "allowed_change_window: weekdays") * 4,
)
CONTEXTS: Final[tuple[Fields, ...]] = (
    {},
    {"environment": "staging", "confirmed": True, "dry_run_completed": True, "actor_role": "sre"},
    {"environment": "qa", "actor_role": "admin", "ticket_id": "OPS-1", "mfa_verified": True},
    {"environment": "production", "actor_role": "finance_manager", **_APPROVED, "approved_by": "mei.chen"},
    {"environment": "dev", **_APPROVED, "approved_by": "dana, mei.chen", "ticket_id": "OPS-1"},
    {"environment": "eu", **_APPROVED, "approved_by": "nobody", "confirmed": True},
    {"approved": True, "estimated_records": 101, "retry_count": 4, "recent_tools": ["a", "a", "a"]},
    {"active_mcp_servers": ["git", "files"], "current_iteration": 6, "target_resources": ["repo/a"]},
    {"tool_arguments": {"amount": 250, "to": "acct_7"}, "confirmed": True, "environment": "staging"},
)


def asking(random: Random) -> Iterator[Situation]:
    """Many situations: those of the cases of rules, and combinations of the tables above."""
    for case in random.sample(CASES, 40):
        fields = {"goal": "List the open tickets", "success_criteria": ["x"], **case.request}
        yield Situation(fields, run=case.run)
    for _ in range(60):
        context = {**random.choice(CONTEXTS), **random.choice(CONTEXTS)}
        fields = {
            "goal": random.choice(GOALS),
            "success_criteria": ["x"],
            "tools": random.sample(TOOLS, random.choice((0, 1, 1, 2))),
            "side_effects": random.sample(EFFECTS, random.choice((0, 0, 1, 1, 2))),
            "constraints": random.sample(CONSTRAINTS, random.choice((0, 0, 1, 2))),
            "context": context,
            "pro": random.choice((False, False, True)),
        }
        yield Situation(fields, "", random.choice(CALLERS), random.choice(RUNS[:4]), random.choice(TIMES))


def decide(case: Situation, pack: Loaded) -> Decision:
    """The decision on a situation under a pack."""
    return decided(case.fields, pack.pack, now=case.now, caller=case.caller, run=case.run)


def no_better(cases: Iterator[Situation], parent: Loaded, child: Loaded, fields: Mapping[str, Any]) -> None:
    """A child's verdict is no better than its parent's."""
    for case in nonempty(cases):
        above, below = decide(case, parent), decide(case, child)
        assert ORDER[below.verdict] <= ORDER[above.verdict], f"{fields}: {told(above)} became {told(below)}: {case}"


_seeds: Final = st.integers(0, 1 << 32)
_fields: Final = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=2, unique=True)


@given(st.data(), st.sampled_from(("stage0-default", "stage0-strict", "own")), _seeds)
def test_a_pack_that_only_tightens_loads_and_never_gives_a_better_verdict(
    data: st.DataObject, name: str, seed: int
) -> None:
    parent = parents()[name]
    fields = tightening(data.draw, parent)
    no_better(asking(Random(seed)), parent, child_of(parent, fields), fields)


@given(st.data(), st.sampled_from(("stage0-default", "stage0-strict", "own")), situations())
def test_a_pack_that_only_tightens_is_no_better_in_any_situation(
    data: st.DataObject, name: str, case: Situation
) -> None:
    parent = parents()[name]
    fields = tightening(data.draw, parent)
    no_better(iter([case]), parent, child_of(parent, fields), fields)


@given(st.data(), st.sampled_from(("closed", "closed-strict", "own")), _seeds)
def test_whatever_a_pack_changes_of_what_is_closed_either_fails_or_tightens(
    data: st.DataObject, name: str, seed: int
) -> None:
    parent = parents()[name]
    fields = {field: anything(data.draw, parent.file, field) for field in data.draw(_fields)}
    try:
        child = child_of(parent, fields)
    except PolicyError:
        return
    no_better(asking(Random(seed)), parent, child, fields)
