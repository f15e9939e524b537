"""Broken files: heads of packs, several files of one pack, suites, and packs that were stored."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from stage0.knowledge.source import source_of
from stage0.policy import PolicyError, load_pack, pack_of_content
from stage0.policy.load import content_of, loaded, resolver_of
from stage0.policy.suite import read_suite
from tests.layering import DEFAULT, FILE, ROOT, Broken, check, layer, refusal, written

# -- whole packs

#: A pack as it is written from its first line on.
WHOLE: Final[dict[str, Broken]] = {
    "no name": Broken('version: "1"\nextends: stage0-default\n', 1, "", "a pack needs a `name`"),
    "no version": Broken("name: own\nextends: stage0-default\n", 1, "", "a pack needs a `version`"),
    "a number as version": Broken(
        "name: own\nversion: 1.10\nextends: stage0-default\n", 2, "version", "put it in quotes"
    ),
    "a whole number as version": Broken("name: own\nversion: 2\n", 2, "version", 'as in `"2"`'),
    "a version with a space": Broken(
        'name: own\nversion: "1 beta"\nextends: stage0-default\n', 2, "version", "`1 beta`"
    ),
    "a name in capitals": Broken('name: Own\nversion: "1"\nextends: stage0-default\n', 1, "name", "`Own`"),
    "a number as name": Broken('name: 7\nversion: "1"\nextends: stage0-default\n', 1, "name", "`7`: expected `str`"),
    "a path as name": Broken('name: ../own\nversion: "1"\nextends: stage0-default\n', 1, "name", "`../own`"),
    "no parent and no tables": Broken(
        'name: own\nversion: "1"\n', 1, "", "a pack without `extends` needs `environments`, `risk`, `costs`"
    ),
    "environments that lack names": Broken(
        ROOT.replace("production: [production, prod], ", ""), 1, "", "needs `environments.production`"
    ),
    "a table that lacks a field": Broken(ROOT.replace("base: 10, ", ""), 4, "risk", "needs the field `base`"),
    "an unknown parent": Broken(
        'name: own\nversion: "1"\nextends: stage0-defalt\n', 3, "extends", "did you mean `stage0-default`?"
    ),
    "a parent of another version": Broken(
        'name: own\nversion: "1"\nextends: stage0-default@0.9\n',
        3,
        "extends",
        f"is at version `{DEFAULT.partition('@')[2]}` here, not `0.9`",
    ),
    "itself as parent": Broken('name: own\nversion: "1"\nextends: own\n', 3, "extends", "is this pack itself"),
    "an older version of itself as parent": Broken(
        'name: own\nversion: "2"\nextends: own@1\n', 3, "extends", "is this pack itself"
    ),
    "the name of the pack that it extends": Broken(
        'name: stage0-default\nversion: "2"\nextends: stage0-default\n', 3, "extends", "is this pack itself"
    ),
    "a list of parents": Broken(
        'name: own\nversion: "1"\nextends: [stage0-default]\n', 3, "extends", "is no name of a pack"
    ),
    "a number as parent": Broken('name: own\nversion: "1"\nextends: 5\n', 3, "extends", "is no name of a pack"),
    "a path as parent": Broken('name: own\nversion: "1"\nextends: ../secret\n', 3, "extends", "is no name of a pack"),
    "a taken entry without a parent": Broken(
        f"{ROOT}requirements: {{payments: null}}\n", 6, "requirements.payments", "there is no `payments` to take away"
    ),
    "a list": Broken("- name: own\n", 0, "", "a pack is a mapping"),
    "a text": Broken("stage0-default\n", 0, "", "a pack is a mapping"),
    "nothing": Broken("", 0, "", "a pack is a mapping"),
}


@pytest.mark.parametrize("broken", WHOLE.values(), ids=WHOLE)
def test_a_pack_with_a_broken_head_gives_one_error(broken: Broken) -> None:
    with pytest.raises(PolicyError) as raised:
        written(broken.text)
    message = refusal(raised)
    if broken.line:
        check(broken, message)
    assert message.startswith(FILE)
    assert broken.said in message


HEAD: Final = 'name: own\nversion: "1"\nextends: stage0-default\n'

#: The files of a pack, and what the error says from its beginning on.
FILES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "one entry in two files": (
        {
            "pack.yaml": f"{HEAD}roles: {{lead: [dev]}}\n",
            "roles.yaml": "# Who is who.\nroles:\n  dev: []\n  lead: []\n",
        },
        "roles.yaml:4: roles.lead: another file of this pack has it, too",
    ),
    "one field in two files": (
        {"pack.yaml": f"{HEAD}observe: false\n", "more.yaml": "\nobserve: false\n"},
        "more.yaml:2: observe: another file of this pack has it, too",
    ),
    "a name in two files": (
        {"pack.yaml": HEAD, "more.yaml": "name: own\n"},
        "more.yaml:1: name: another file of this pack has it, too",
    ),
    "a mapping and a list": (
        {"pack.yaml": f"{HEAD}tools: {{x: {{owner: me}}}}\n", "tools.yaml": "tools: [x]\n"},
        "tools.yaml:1: tools: another file of this pack has it, too",
    ),
    "a mistake in another file": (
        {
            "pack.yaml": HEAD,
            "rules.yaml": "rules:\n  BIG:\n    severity: high\n    when: amout > 1.0\n    message: No.\n",
        },
        "rules.yaml:4: rules.BIG.when: there is no fact `amout`; did you mean `amount`?",
    ),
    "a mistake in a list that two files share": (
        {"pack.yaml": f"{HEAD}mcp_servers: [github]\n", "more.yaml": "mcp_servers:\n  - files\n  - 7\n"},
        "more.yaml:3: mcp_servers[2]: `7`: expected `str`",
    ),
    "a mistake beside what a merge key brings in": (
        {"pack.yaml": f"{HEAD}tools:\n  x: &x {{owner: me}}\n  y:\n    <<: *x\n    ownr: you\n"},
        "pack.yaml:8: tools.y.ownr: there is no field `ownr`; did you mean `owner`?",
    ),
    "a mistake that a merge key brings in": (
        {"pack.yaml": f"{HEAD}tools:\n  x: &x {{owner: 7}}\n  y:\n    <<: *x\n", "a.yaml": "roles: {}\n"},
        "pack.yaml:5: tools.x.owner: `7`: expected `str`",
    ),
    "a file that is a list": ({"pack.yaml": HEAD, "more.yaml": "- x\n"}, "more.yaml: a pack is a mapping"),
    "a file that is nothing": ({"pack.yaml": HEAD, "more.yaml": ""}, "more.yaml: a pack is a mapping"),
    "values too deep in each other": (
        {"pack.yaml": f"{HEAD}roles: {'[' * 100}{']' * 100}\n"},
        "pack.yaml: holds values more than 64 levels deep in each other",
    ),
    "values deeper than a parser goes": (
        {"pack.yaml": f"{HEAD}roles: {'[' * 9_000}{']' * 9_000}\n"},
        "pack.yaml: holds values more than 64 levels deep in each other",
    ),
    "a short text that is a huge one": (
        {
            "pack.yaml": HEAD
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9))
        },
        "pack.yaml: holds more than 500,000 values, those that its aliases repeat included",
    ),
    "too many characters": (
        {"pack.yaml": f"# {'x' * 4_000_000}\n{HEAD}"},
        "own: a pack has at most 4,000,000 characters",
    ),
}


@pytest.mark.parametrize(("files", "said"), FILES.values(), ids=FILES)
def test_a_pack_of_several_files_names_the_one_that_is_wrong(files: dict[str, str], said: str) -> None:
    with pytest.raises(PolicyError) as raised:
        loaded(source_of(files, "own"), resolver_of(lambda _: None))
    assert refusal(raised).startswith(said)


# -- suites

#: A suite, and what the error says from its beginning on.
SUITES: Final[dict[str, tuple[str, str]]] = {
    "no list": ("name: a\n", "suite.yaml:1: expected `array`, got `object`"),
    "no expectation": ("- name: a\n  request: {goal: x}\n", "suite.yaml:1: [0]: needs the field `expect`"),
    "an unknown field": (
        "- name: a\n  request: {goal: x}\n  expect: {verdict: ALLOW, issue_code: [X]}\n",
        "suite.yaml:3: [0].expect.issue_code: there is no field `issue_code`; did you mean `issue_codes`?",
    ),
    "an unknown verdict": (
        "- name: a\n  request: {goal: x}\n  expect:\n    verdict: MAYBE\n",
        "suite.yaml:4: [0].expect.verdict: `MAYBE` is none of ALLOW, DEFER, DENY",
    ),
    "a request that the server refuses": (
        "- name: a\n  request: {goal: x}\n  expect: {verdict: ALLOW}\n"
        "- name: b\n  request: {gaol: x}\n  expect: {verdict: ALLOW}\n",
        "suite.yaml:4: [1]: b: ",
    ),
    "two cases with one name": (
        "- name: a\n  request: {goal: x}\n  expect: {verdict: ALLOW}\n"
        "- request: {goal: y}\n  name: a\n  expect: {verdict: ALLOW}\n",
        "suite.yaml:5: [1].name: another case is called `a`, too",
    ),
    "a clock without an offset": (
        "- {name: a, clock: 2026-03-16T10:00:00, request: {goal: x}, expect: {verdict: ALLOW}}\n",
        "suite.yaml:1: [0]: a: the clock `2026-03-16T10:00:00` has no offset",
    ),
    "a counter of a run that there is not": (
        "- name: a\n  request: {goal: x}\n  expect: {verdict: ALLOW}\n  state: {run: {alows: 9}}\n",
        "suite.yaml:4: [0].state.run.alows: there is no field `alows`; did you mean `allows`?",
    ),
    "a duplicate key": ("- name: a\n  name: b\n", "suite.yaml:2: found duplicate key"),
}


@pytest.mark.parametrize(("text", "said"), SUITES.values(), ids=SUITES)
def test_a_broken_suite_gives_one_error_that_names_the_line(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read_suite(text)
    assert refusal(raised).startswith(said)


# -- stored packs


def test_a_stored_pack_that_cannot_be_used_any_more_says_which_and_why() -> None:
    content = content_of(layer("rules: {BIG: {when: amount > 1.0, severity: high, message: No.}}\n").file).decode()
    with pytest.raises(PolicyError) as raised:
        pack_of_content(content.replace("amount > 1.0", "price > 1.0").encode())
    assert refusal(raised).startswith("own@1: rules.BIG.when: there is no fact `price`")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"name": "own"}', b"\xff"])
def test_stored_bytes_that_are_no_pack_are_refused(content: bytes) -> None:
    with pytest.raises(PolicyError, match="cannot be read any more"):
        pack_of_content(content)


def test_a_file_or_folder_that_holds_no_pack_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "suite.yaml").write_text("[]\n", encoding="utf-8")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path, said in (
        (folder, "holds no pack: a folder has a `pack.yaml`"),
        (folder / "gone.yaml", "gone.yaml: cannot be read"),
        (tmp_path / "bytes.yaml", "bytes.yaml: cannot be read"),
    ):
        with pytest.raises(PolicyError) as raised:
            load_pack(path)
        assert said in refusal(raised)


def test_packs_that_lead_back_to_each_other_are_refused(tmp_path: Path) -> None:
    for name, parent in (("one", "two"), ("two", "three"), ("three", "two")):
        (tmp_path / f"{name}.yaml").write_text(f'name: {name}\nversion: "1"\nextends: {parent}\n', encoding="utf-8")
    with pytest.raises(PolicyError) as raised:
        load_pack(tmp_path / "one.yaml")
    assert "leads back to this pack" in refusal(raised)
