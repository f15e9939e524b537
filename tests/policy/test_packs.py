"""Policy data: what ships loads, what is broken is said with the file and the field."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from stage0.cli.cases import Case, read_cases
from stage0.core.constraints import ControlKind, Grammar
from stage0.core.effects import EFFECTS
from stage0.core.lexicon import ACTIONS, CONCEPTS, ENVIRONMENTS, MODIFIERS, OBJECTS
from stage0.core.pack import Pack
from stage0.policy import PolicyError, load_pack, shipped_packs
from stage0.policy.words import load_lexicon
from stage0.policy.yaml import HERE
from stage0.rules import RULES
from tests.deciding import NOW, decided

PACKS: Final = HERE / "packs"
LEXICON: Final = HERE / "lexicon"
LANGUAGES: Final = ("en", "ja", "zh")
CORPUS: Final = Path(__file__).parents[1] / "corpus"
CASES: Final = [case for path in sorted(CORPUS.glob("*.json")) for case in read_cases(path)]
RANK: Final = {"ALLOW": 0, "DEFER": 1, "DENY": 2}


def concepts_of(language: str) -> dict[str, dict[str, Any]]:
    """The concepts of one language's file, as written."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load((LEXICON / f"{language}.yaml").read_text("utf-8"))
    concepts: dict[str, dict[str, Any]] = content["concepts"]
    return concepts


def has_terms(entry: dict[str, Any]) -> bool:
    """Whether a concept has any word in its language."""
    return any(entry.get(field) for field in ("verbs", "nouns", "weak", "words"))


def test_the_shipped_packs_load_with_every_rule() -> None:
    packs = shipped_packs()
    assert set(packs) == {"stage0-default", "stage0-strict"}
    for name, pack in packs.items():
        assert pack.id == f"{name}@{pack.version}"
        assert pack.rules == RULES
        assert set(pack.by_code) == {rule.code for rule in RULES}


def test_every_effect_has_a_weight_in_the_risk_table(default_pack: Pack) -> None:
    assert set(default_pack.risk.effects) == set(EFFECTS)
    assert all(weight >= 0 for weight in default_pack.risk.effects.values())


def test_two_packs_have_two_digests_and_loading_again_gives_the_same(default_pack: Pack, strict_pack: Pack) -> None:
    assert default_pack.digest != strict_pack.digest
    assert load_pack(PACKS / "default.yaml").digest == default_pack.digest


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("pro", [False, True], ids=["plain", "pro"])
def test_the_strict_pack_is_never_more_permissive(case: Case, pro: bool, default_pack: Pack, strict_pack: Pack) -> None:
    now = datetime.fromisoformat(case.clock).timestamp() if case.clock else NOW
    request = {**case.request, "pro": pro}
    default, strict = (decided(request, pack, now=now) for pack in (default_pack, strict_pack))
    assert RANK[strict.verdict] >= RANK[default.verdict]


def pack_file(folder: Path, text: str, base: str = "default") -> Path:
    """A copy of the shipped packs with a pack `own.yaml` that extends one of them."""
    for path in PACKS.glob("*.yaml"):
        shutil.copy(path, folder)
    own = folder / "own.yaml"
    own.write_text(f'name: own\nversion: "1"\nextends: {base}\n{text}', encoding="utf-8")
    return own


def test_a_pack_that_extends_another_changes_only_what_it_says(tmp_path: Path, default_pack: Pack) -> None:
    text = "severities: {MISSING_SUCCESS_CRITERIA: high}\nthresholds: {retries: 2}\n"
    own = load_pack(pack_file(tmp_path, text))
    assert own.id == "own@1"
    assert own.severities == {"MISSING_SUCCESS_CRITERIA": "high"}
    assert (own.thresholds.retries, own.thresholds.same_tool) == (2, 3)
    assert own.environments == default_pack.environments
    assert own.digest != default_pack.digest


def test_a_pack_that_extends_the_strict_one_keeps_its_lanes(tmp_path: Path, strict_pack: Pack) -> None:
    own = load_pack(pack_file(tmp_path, "lanes: {role: asserted}\n", base="stage0-strict"))
    assert (own.lanes.role, own.lanes.approval) == ("asserted", "verified")
    assert own.severities == strict_pack.severities


#: What is wrong, the text that makes it so, and what the error must name besides the file.
BROKEN: Final[dict[str, tuple[str, str]]] = {
    "an unknown field": ("severity: {}\n", "severity"),
    "an unknown field deeper down": ("thresholds: {retry: 5}\n", "retry"),
    "an unknown rule": ("severities: {NO_SUCH_RULE: low}\n", "NO_SUCH_RULE"),
    "an unknown rule under pro": ("pro_severities: {NO_SUCH_RULE: low}\n", "NO_SUCH_RULE"),
    "an unknown rule of a requirement": ("requirements: [{effects: [delete], code: NO_SUCH_RULE}]\n", "NO_SUCH_RULE"),
    "an unknown severity": ("severities: {TICKET_REQUIRED: fatal}\n", "severities"),
    "an unknown effect of a requirement": ("requirements: [{effects: [deleet]}]\n", "deleet"),
    "an unknown effect in the risk table": ("risk: {base: 1, effects: {deleet: 1}}\n", "deleet"),
    "an unknown effect with an age": ("approval_max_age: {deleet: 60.0}\n", "deleet"),
    "an unknown lane": ("lanes: {role: guessed}\n", "lanes.role"),
    "a duplicate key": ("lanes: {}\nlanes: {}\n", "lanes"),
    "a window without days": ("windows: {night: {days: [], opens: 1.0, closes: 2.0}}\n", "windows.night"),
    "a window that closes before it opens": (
        "windows: {night: {days: [1], opens: 22.0, closes: 4.0}}\n",
        "windows.night",
    ),
    "a window on an eighth day": ("windows: {night: {days: [8], opens: 1.0, closes: 2.0}}\n", "windows.night"),
    "a wrong type": ("thresholds: {retries: five}\n", "thresholds.retries"),
    "a list instead of a mapping": ("windows: []\n", "windows"),
    "a missing field of a window": ("windows: {night: {days: [1]}}\n", "opens"),
    "a risk table without a severity": ("risk: {finding: null}\n", "risk.finding"),
    "a negative weight": ("risk: {production: -5}\n", "risk.production"),
    "a severity of findings that is not there": ("risk: {finding: {TERRIBLE: 5}}\n", "risk.finding"),
    "text that is no YAML": ("lanes: {role\n", "line"),
}


@pytest.mark.parametrize(("text", "field"), BROKEN.values(), ids=BROKEN)
def test_a_broken_pack_gives_one_error_that_names_file_and_field(text: str, field: str, tmp_path: Path) -> None:
    path = pack_file(tmp_path, text)
    with pytest.raises(PolicyError) as raised:
        load_pack(path)
    assert "own.yaml" in str(raised.value)
    assert field in str(raised.value)


@pytest.mark.parametrize("text", ["", "- a list\n", "just a text\n"])
def test_a_file_that_holds_no_pack_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"own\.yaml"):
        load_pack(path)


def test_a_pack_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"gone\.yaml"):
        load_pack(tmp_path / "gone.yaml")


def test_a_parent_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"gone\.yaml"):
        load_pack(pack_file(tmp_path, "", base="gone"))


def test_a_pack_that_extends_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"own\.yaml"):
        load_pack(pack_file(tmp_path, "", base="own"))


def test_the_languages_have_the_same_concepts() -> None:
    assert (
        set(concepts_of("en"))
        == set(concepts_of("ja"))
        == set(concepts_of("zh"))
        == CONCEPTS - {"break", "soft", "again"}
    )


def test_a_concept_that_has_words_in_one_language_has_some_in_all() -> None:
    languages = {language: concepts_of(language) for language in LANGUAGES}
    lacking = [
        (concept, language)
        for concept in sorted(CONCEPTS - {"negation_after"})
        for language, concepts in languages.items()
        if not has_terms(concepts.get(concept, {}))
        if any(has_terms(others.get(concept, {})) for others in languages.values())
    ]
    assert lacking == []


def test_a_concept_is_one_kind_of_thing() -> None:
    kinds = [set(ACTIONS), set(MODIFIERS), set(OBJECTS), set(ENVIRONMENTS)]
    assert sum(map(len, kinds)) == len(set().union(*kinds))
    assert {*ACTIONS.values(), *MODIFIERS.values()} <= set(EFFECTS)


def lexicon_copy(folder: Path, language: str, old: str, new: str) -> Path:
    """A copy of the lexicon in which one text of one file is replaced."""
    copied = folder / "lexicon"
    shutil.copytree(LEXICON, copied)
    path = copied / f"{language}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return copied


@pytest.mark.parametrize(
    ("language", "old", "new", "names"),
    [
        ("en", "verbs: [read, ", "verbs: [delete, read, ", ["en.yaml", "`delete`", "`read`"]),
        ("zh", "verbs: [讀取, ", "verbs: [删除, 讀取, ", ["zh.yaml", "`删除`", "`read`"]),
        ("ja", "  read:\n    verbs: [", "  read:\n    verbs: [削除, ", ["ja.yaml", "`削除`", "`read`"]),
        ("zh", "verbs: [讀取, ", "verbs: [ｄｅｌｅｔｅ, 讀取, ", ["`delete`", "`read`"]),
        ("en", "  read:\n", "  reed:\n", ["en.yaml", "reed"]),
        ("en", "spaced: true", "spaced: perhaps", ["en.yaml", "spaced"]),
        ("en", "  negation:\n    words:", "  negation:\n    verbs:", ["en.yaml", "negation"]),
    ],
    ids=["English", "Chinese", "Japanese", "across languages", "unknown concept", "wrong type", "no action"],
)
def test_a_broken_lexicon_gives_an_error_that_names_file_and_word(
    language: str, old: str, new: str, names: list[str], tmp_path: Path
) -> None:
    folder = lexicon_copy(tmp_path, language, old, new)
    with pytest.raises(PolicyError) as raised:
        load_lexicon(folder)
    assert [name for name in names if name not in str(raised.value)] == []


def test_a_copy_of_the_lexicon_reads_like_the_shipped_one(tmp_path: Path) -> None:
    copied = load_lexicon(Path(shutil.copytree(LEXICON, tmp_path / "lexicon")))
    text = copied.fold("Delete users, 刪除使用者, ユーザーを削除する").text
    found = [(hit.concept, hit.start, hit.end) for hit in copied.hits(text)]
    assert found == [(hit.concept, hit.start, hit.end) for hit in load_lexicon().hits(text)]
    assert [concept for concept, _, _ in found].count("delete") == 3


def test_a_constraint_key_that_stands_for_two_kinds_is_refused() -> None:
    kinds = [ControlKind("one", "x", keys=("same",)), ControlKind("two", "x", keys=("same",))]
    with pytest.raises(ValueError, match=r"`same`.*`one`.*`two`"):
        Grammar(kinds, {}, load_lexicon())
