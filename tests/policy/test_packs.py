"""Policy data: what ships loads, what is broken is said with the file and the field."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from stage0.cli.cases import read_cases
from stage0.core.pack import Pack
from stage0.knowledge.load import SAME, load_commands, load_knowledge, reads_alike, shipped_knowledge
from stage0.knowledge.words import load_lexicon
from stage0.knowledge.yaml import HERE, read, read_slowly
from stage0.policy import PolicyError, load_pack, shipped_packs
from stage0.policy.load import PACKS
from stage0.policy.suite import Case
from stage0.reading.constraints import ControlKind, Grammar
from stage0.reading.effects import EFFECTS
from stage0.reading.prose.lexicon import ACTIONS, CONCEPTS, ENVIRONMENTS, MODIFIERS, OBJECTS
from stage0.rules import RULES
from tests.asserting import if_any, nonempty
from tests.deciding import NOW, decided

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
    assert {"stage0-default", "stage0-strict"} <= set(packs)
    for name, pack in nonempty(packs.items()):
        assert pack.id == f"{name}@{pack.version}"
        assert pack.rules == RULES
        assert set(pack.by_code) == {rule.code for rule in (*RULES, *pack.own)}


def test_every_effect_has_a_weight_in_the_risk_table(default_pack: Pack) -> None:
    assert set(default_pack.risk.effects) == set(EFFECTS)
    assert all(weight >= 0 for weight in nonempty(default_pack.risk.effects.values()))


def test_two_packs_have_two_digests_and_loading_again_gives_the_same(default_pack: Pack, strict_pack: Pack) -> None:
    assert default_pack.digest != strict_pack.digest
    assert load_pack(PACKS / "stage0-default").digest == default_pack.digest


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("pro", [False, True], ids=["plain", "pro"])
def test_the_strict_pack_is_never_more_permissive(case: Case, pro: bool, default_pack: Pack, strict_pack: Pack) -> None:
    now = datetime.fromisoformat(case.clock).timestamp() if case.clock else NOW
    request = {**case.request, "pro": pro}
    default, strict = (decided(request, pack, now=now) for pack in (default_pack, strict_pack))
    assert RANK[strict.verdict] >= RANK[default.verdict]


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


#: Of each table one effect as it is written there.
NAMED: Final = {
    "commands.yaml": "[delete",
    "constraints.yaml": "[delete",
    "declared.yaml": "[delete",
}


@pytest.mark.parametrize(("name", "written"), NAMED.items(), ids=NAMED)
def test_a_table_with_an_effect_that_there_is_not_is_refused_at_load(name: str, written: str, tmp_path: Path) -> None:
    folder = tmp_path / "knowledge"
    shutil.copytree(HERE, folder)
    text = (folder / name).read_text("utf-8")
    assert written in text
    (folder / name).write_text(text.replace(written, "[deleet", 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=f"{name}.*'deleet'"):
        load_knowledge(folder)


@pytest.mark.parametrize("below", [False, True], ids=["command", "subcommand"])
@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("nosuch: true", "unknown field `nosuch`"),
        ("syntax: {dash: true}", "unknown field `syntax`"),
        ("dash: 1", "bool"),
    ],
    ids=["unknown", "group", "type"],
)
def test_a_wrong_field_of_a_command_is_refused_at_load(written: str, wrong: str, below: bool, tmp_path: Path) -> None:
    path = tmp_path / "commands.yaml"
    path.write_text(f"git: {{sub: {{push: {{{written}}}}}}}\n" if below else f"git: {{{written}}}\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=f"commands.yaml: git.*{wrong}"):
        load_commands(path, shipped_knowledge().names)


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
    assert [name for name in nonempty(names) if name not in str(raised.value)] == []


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


@pytest.mark.parametrize(
    "path", sorted(HERE.parent.rglob("*.yaml")), ids=lambda path: path.relative_to(HERE.parent).as_posix()
)
def test_a_file_that_ships_has_no_key_twice_and_reads_the_same_by_both_parsers(path: Path) -> None:
    assert read(path) == read_slowly(path.read_text(encoding="utf-8"), path.name)


def test_a_comment_in_the_words_changes_no_version_and_another_word_does(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(HERE, tmp_path / "knowledge"))
    before = load_knowledge(copied).version
    assert before == shipped_knowledge().version
    commands = copied / "commands.yaml"
    commands.write_text("# A comment.\n" + commands.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_knowledge(copied).version == before
    commands.write_text(commands.read_text(encoding="utf-8") + "frobnicate: {effects: [read]}\n", encoding="utf-8")
    assert load_knowledge(copied).version != before


def test_versions_that_read_alike_stand_under_the_present_one() -> None:
    """Where the words have changed, what stood here is void: take it out."""
    present = shipped_knowledge().version
    assert set(if_any(SAME)) <= {present}
    assert all(reads_alike(former, present) for formers in if_any(SAME.values()) for former in formers)
    assert not reads_alike("0123456789abcdef", present)
