"""Plans: what ships, an operator's file instead, and that one process may hold both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stage0.knowledge.source import PolicyError
from stage0.ledger.catalogue import catalogue_with
from stage0.ledger.plans import Plan, read_plans, shipped_plans
from stage0.server.settings import SettingError, read_settings
from tests.catalogue import CATALOGUE

GOLD = "gold: {price: 9, per_month: 5, per_day: 4, per_minute: 3, pro: true, omits: []}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plans.yaml"
    path.write_text(GOLD, encoding="utf-8")
    return path


def test_an_operators_file_stands_instead_of_what_ships(file: Path) -> None:
    found = read_settings({"STAGE0_PLANS": str(file)}).plans
    assert found == {"gold": Plan(price=9, per_month=5, per_day=4, per_minute=3, pro=True, omits=frozenset())}


def test_settings_with_a_file_leave_those_without_one_as_they_are(file: Path) -> None:
    before = dict(shipped_plans())
    read_settings({"STAGE0_PLANS": str(file)})
    assert read_settings({}).plans == shipped_plans() == before
    assert "gold" not in before


def test_a_catalogue_holds_the_plans_that_it_is_given_and_what_ships(file: Path) -> None:
    found = catalogue_with(read_plans(file))
    assert set(found.plans) == {"gold"}
    assert dict(found.packs) == dict(CATALOGUE.packs)
    assert len(found.packs) == len(dict(found.packs)) > 1
    assert found.default.name == "stage0-default"


def test_plans_cannot_be_changed(file: Path) -> None:
    plans: Any
    for plans in (shipped_plans(), read_plans(file), read_settings({}).plans):
        with pytest.raises(TypeError):
            plans["free"] = None


@pytest.mark.parametrize(
    ("text", "said"),
    [("gold: {price: 9}\n", "plans.yaml"), ("- gold\n", "plans.yaml"), (None, "No such file")],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=said):
        read_plans(path)
    with pytest.raises(SettingError, match=r"^STAGE0_PLANS=`.*plans\.yaml`: ") as raised:
        read_settings({"STAGE0_PLANS": str(path)})
    assert said in str(raised.value)
