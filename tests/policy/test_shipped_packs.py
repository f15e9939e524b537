"""The packs that ship keep what they promise: their suites hold, they look like no mistake, and each has a page whose
example loads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from stage0.policy.layers import is_open
from stage0.policy.lint import warnings_of
from stage0.policy.load import PACKS, Loaded, load, shipped_file, shipped_names
from stage0.policy.suite import VERDICTS, suite_of, try_suite
from tests.asserting import if_any, nonempty
from tests.docs.markdown import DOCS, blocks, codes, read

#: The packs that others build on; `docs/policy.md` describes those.
BASE: Final = frozenset({"stage0-default", "stage0-strict"})
#: Packs that stand by themselves, since what they are for could not be had by tightening another one.
ALONE: Final = frozenset({"coding-agent"})
READY_MADE: Final = sorted(set(shipped_names()) - BASE - ALONE)

each_pack = pytest.mark.parametrize("name", shipped_names())
each_page = pytest.mark.parametrize("name", sorted({*READY_MADE, *ALONE}))
each_ready_made = pytest.mark.parametrize("name", READY_MADE)


def shipped(name: str) -> Loaded:
    """A pack that ships, with its files."""
    return load(PACKS / name)


def page(name: str) -> Path:
    """A pack's page."""
    return DOCS / "packs" / f"{name}.md"


def test_packs_for_four_kinds_of_teams_ship() -> None:
    assert READY_MADE == ["ai-saas", "internal-tools", "payments", "platform-ops"]


@each_pack
def test_the_suite_of_a_pack_holds_and_shows_every_verdict(name: str) -> None:
    found = shipped(name)
    cases = suite_of(found.source.files)
    result = try_suite(found)
    assert {each.case.name: each.problems for each in result.failed} == {}
    assert result.activatable == ""
    assert {case.expect.verdict for case in cases} == set(VERDICTS)
    assert len(cases) >= 8


@each_pack
def test_nothing_in_a_pack_looks_like_a_mistake(name: str) -> None:
    found = shipped(name)
    assert list(warnings_of(found, try_suite(found), at=1_795_867_200.0)) == []


@each_ready_made
def test_a_pack_is_the_default_pack_made_stricter_and_called_like_its_folder(name: str) -> None:
    found = shipped(name)
    assert found.pack.name == name
    assert found.source.plain["extends"] == "stage0-default"
    assert found.pack.lanes == load(PACKS / "stage0-default").pack.lanes


def test_the_pack_for_coding_agents_differs_from_the_default_pack_in_two_things() -> None:
    here, default = shipped_file("coding-agent"), shipped_file("stage0-default")
    told = {"name", "version", "description"}
    differing = {name for name in here.__struct_fields__ if getattr(here, name) != getattr(default, name)}
    assert differing - told == {"workspace", "severities"}
    assert here.severities == {"SIDE_EFFECTS_NEED_GUARDRAILS": "medium"}


@each_ready_made
def test_what_the_default_pack_requires_stays_closed_below_a_pack(name: str) -> None:
    file = shipped_file(name)
    inherited = shipped_file("stage0-default").requirements
    assert [each for each in nonempty(inherited) if is_open(file, ("requirements", each))] == []


@each_page
def test_every_rule_of_a_pack_is_explained_on_its_page(name: str) -> None:
    text = read(page(name))
    assert [rule.code for rule in if_any(shipped(name).pack.own) if rule.code not in codes(text)] == []


@each_page
def test_the_pack_that_a_page_builds_on_another_one_loads(name: str, tmp_path: Path) -> None:
    examples = [block.text for block in blocks(read(page(name))) if block.kind == "yaml"]
    assert examples
    for number, text in enumerate(nonempty(examples)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "pack.yaml").write_text(text, encoding="utf-8")
        assert load(folder).file.extends == f"{name}@{shipped_file(name).version}"
