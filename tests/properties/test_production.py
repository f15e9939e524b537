"""Production counts wherever it is named."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deciding import codes
from tests.properties.promises import told
from tests.strategies import (
    ALIASES,
    PACKS,
    Situation,
)

_STAGED: Final = Situation(
    {
        "goal": "Delete the old backups",
        "success_criteria": ["gone"],
        "context": {"confirmed": True, "dry_run_completed": True, "environment": "staging"},
    }
)
_names: Final = st.sampled_from(sorted(PACKS["stage0-default"].environments.production))
_spellings: Final = st.sampled_from(
    (str, str.upper, str.title, lambda name: f"  {name}\t", lambda name: name.replace("p", "ｐ"))
)


def _in_production(case: Situation) -> None:
    decision = case.decide()
    assert "DESTRUCTIVE_ACTION_REQUIRES_APPROVAL" in codes(decision), told(decision)
    assert decision.verdict != "ALLOW"


def test_outside_production_a_rehearsed_delete_is_allowed() -> None:
    assert _STAGED.decide().verdict == "ALLOW"


@given(_names, _spellings, st.sampled_from(("environment", "target_environment")))
def test_an_environment_that_is_production_under_any_name_is(name: str, spelled: Any, field: str) -> None:
    _in_production(_STAGED.saying({field: spelled(name)}))
    bound = msgspec.structs.replace(_STAGED.caller, environments=(spelled(name),))
    _in_production(_STAGED.leaving_out("environment").where(caller=bound))
    _in_production(_STAGED.where(caller=bound))


@pytest.mark.parametrize(
    "phrase",
    [
        *("in production", "on prod", "from the production database", "in the live environment", "in PRD"),
        *(
            "（正式環境）",
            "（生产环境）",
            "、本番環境",
            "、本番",
            "in p\u200broduction",
            "in ｐｒｏｄ",
            "on db.prod.internal",
        ),
    ],
)
def test_production_named_in_the_goal_counts(phrase: str) -> None:
    _in_production(_STAGED.sending(goal=f"Delete the old backups {phrase}"))


@pytest.mark.parametrize(
    "goal", ["Delete the production data", "Delete backups of production data", "刪除正式環境資料"]
)
def test_production_is_not_lost_in_a_compound(goal: str) -> None:
    _in_production(_STAGED.sending(goal=goal))


@pytest.mark.parametrize(
    "tool", ["prod_db_list", "list_production_backups", "prd-backup-lister", "backups.prod.list", "listProdBackups"]
)
def test_production_named_in_a_tool_counts(tool: str) -> None:
    _in_production(_STAGED.adding("tools", tool))


@pytest.mark.parametrize(
    "arguments",
    [
        {"environment": "production"},
        {"target": {"env": "prod"}},
        {"hosts": ["a", "db.prod.internal"]},
        {"sql": "DELETE FROM production.backups WHERE age > 90"},
        {"command": "kubectl --context prod delete pvc old"},
        {"env": "本番"},
        {"url": "https://prod.example.com/backups"},
    ],
)
def test_production_named_in_an_argument_counts(arguments: dict[str, Any]) -> None:
    for name in ALIASES["tool_arguments"]:
        _in_production(_STAGED.saying({name: arguments}))


@pytest.mark.parametrize("effect", ["production deployment", "delete production data", "deletes from prod"])
def test_production_named_in_a_declared_effect_counts(effect: str) -> None:
    _in_production(_STAGED.adding("side_effects", effect))


@pytest.mark.parametrize(
    "facts",
    [
        {"tool_description": "Deletes backups in the production database."},
        {"target_resources": ["production/backups"]},
        {"resource_scope": ["production"]},
    ],
)
def test_production_named_elsewhere_in_context_counts(facts: dict[str, Any]) -> None:
    _in_production(_STAGED.saying(facts))
