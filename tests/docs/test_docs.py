"""The documentation says what the code does: it is complete, its links hold, its generated parts are current, and
its examples run."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from stage0.knowledge.load import shipped_knowledge
from stage0.rules import RULES
from stage0.server.openapi import openapi
from stage0.server.settings import SETTINGS
from tests.asserting import if_any, nonempty
from tests.docs.generated import SECTIONS, commands, context_names
from tests.docs.markdown import (
    DOCS,
    PAGES,
    ROOT,
    Block,
    anchor_of,
    blocks,
    cited_paths,
    codes,
    differences,
    heading,
    links,
    name_of,
    read,
    rows,
    sections,
    with_section,
)
from tests.running import KEY, STAGE0, Server

WRITE: Final = os.environ.get("WRITE_DOCS") == "1"
HOW: Final = "is not what the code says; run `WRITE_DOCS=1 .venv/bin/pytest tests/docs` and look at the difference"

#: Cited, and not in the repository at that place: what a server or a build makes, and what a user writes.
MADE: Final = frozenset({".venv/", ".stage0/", ".stage0/secret", "dist/", "build/", "pack.yaml", "suite.yaml"})

each_page = pytest.mark.parametrize("page", PAGES, ids=[name_of(page) for page in PAGES])
RUN_PAGES: Final = [page for page in PAGES if any(block.mark == "run" for block in blocks(read(page)))]


# -- links and paths


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made on the web."""
    return {anchor_of(line.lstrip("#").strip()) for line in text.splitlines() if line.startswith("#")}


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(read(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(read(target))):
            broken.append(link)
    assert not broken


@each_page
def test_every_cited_path_exists(page: Path) -> None:
    places = (ROOT, ROOT / "src/stage0", page.parent, DOCS)
    missing = [
        path for path in cited_paths(read(page)) if path not in MADE and not any(any(at.glob(path)) for at in places)
    ]
    assert not missing


# -- generated parts


@each_page
def test_generated_parts_are_current(page: Path) -> None:
    text = read(page)
    for name, content in if_any(sections(text)):
        assert name in SECTIONS, f"{name_of(page)}: nothing generates `{name}`"
        wanted = SECTIONS[name]()
        if content != wanted:
            assert WRITE, f"{name_of(page)}: `{name}` {HOW}"
            text = with_section(text, name, wanted)
            page.write_text(text, encoding="utf-8")


def test_every_generated_part_stands_somewhere_once() -> None:
    found = [name for page in PAGES for name, _ in sections(read(page))]
    assert sorted(found) == sorted(SECTIONS)


# -- completeness


def test_every_command_is_documented() -> None:
    text = read(DOCS / "cli.md")
    assert not [command for command in nonempty(commands()) if not heading(text, f"`{command}`")]


def test_every_setting_is_documented() -> None:
    cited = set(codes(heading(read(DOCS / "operations.md"), "Settings")))
    assert not {setting.variable for setting in SETTINGS.values()} - cited


def test_every_endpoint_is_documented_with_every_status() -> None:
    text = read(DOCS / "api.md")
    for path, methods in nonempty(openapi("")["paths"].items()):
        for method, operation in nonempty(methods.items()):
            part = heading(text, f"`{method.upper()} {path}`")
            assert part, f"api.md has no heading `{method.upper()} {path}`"
            missing = [status for status in operation["responses"] if f"{status}" not in part]
            assert not missing, f"{method.upper()} {path}: {missing}"


def _error_codes() -> Iterator[tuple[int, str]]:
    """Status and code of every ApiError that the server's source raises."""
    for file in [*(ROOT / "src/stage0/server").glob("*.py"), ROOT / "src/stage0/app.py"]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ApiError":
                status, code = node.args[0], node.args[1]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    yield int(str(status.value)), str(code.value)


def test_every_error_code_is_documented_with_its_status() -> None:
    table = {(row[0], row[1].strip("`")) for row in rows(heading(read(DOCS / "api.md"), "Errors"))}
    real = {(str(status), code) for status, code in _error_codes()} | {("503", "runtime_unhealthy")}
    assert len(real) > 10
    assert table == real


def test_every_context_field_is_documented() -> None:
    table = {name for row in rows(heading(read(DOCS / "api.md"), "Context fields")) for name in codes(row[0])}
    assert table == context_names()


def test_every_constraint_is_documented_as_it_is_read() -> None:
    grammar = shipped_knowledge().grammar
    documented = {}
    for row in rows(heading(read(DOCS / "constraints.md"), "Every kind")):
        names = codes(row[0])
        if names:
            documented[names[0]] = row
    assert documented.keys() == grammar.kinds.keys()
    for name, (_, value, guards, keys, *examples) in nonempty(documented.items()):
        kind = grammar.kinds[name]
        assert value == ("" if kind.value == "none" else kind.value), name
        assert guards == ("yes" if kind.guard else ""), name
        assert set(codes(keys)) == set(kind.keys), name
        for example in nonempty(codes(" ".join(examples))):
            read_as = [control.kind for control in grammar.parse((example,)).controls]
            assert read_as == [name], f"`{example}` is read as {read_as}"


def test_every_code_that_a_page_names_exists() -> None:
    known = {rule.code for rule in RULES} | {"INTERNAL_ERROR"}
    families = {code.partition("_")[0] for code in known}
    for page in nonempty(PAGES):
        named = {
            code for code in codes(read(page)) if code.isupper() and "_" in code and code.partition("_")[0] in families
        }
        assert named <= known | {"NO_GO"}, name_of(page)


# -- examples


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH: this environment's commands, and curl where the machine has none."""
    folder = tmp_path_factory.mktemp("tools")
    called = {"python": sys.executable, "stage0": STAGE0}
    if shutil.which("curl") is None:
        called["curl"] = f'{sys.executable}" "{Path(__file__).with_name("curl.py")}'
    for name, command in called.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "{command}" "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("page", RUN_PAGES, ids=[name_of(page) for page in RUN_PAGES])
def test_marked_examples_run_and_print_what_is_shown(page: Path, server: Server, tools: Path, tmp_path: Path) -> None:
    environment = {
        **server.environment,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "STAGE0_BASE_URL": server.url,
        "STAGE0_API_KEY": KEY,
        "DATABASE": str(server.database),
        "BACKUP": str(tmp_path / "backup.db"),
    }
    output = ""
    with Shell(environment, tmp_path) as shell:
        for block in if_any(blocks(read(page))):
            where = f"{name_of(page)}:{block.line}"
            if block.mark == "run":
                output = shell.run(block.text, where) if block.kind == "sh" else _python(block, environment, tmp_path)
            elif block.mark == "answer":
                wrong = list(differences(json.loads(block.text), _last_json(output, where)))
                assert not wrong, f"{where}: {wrong}"
            elif block.mark == "prints":
                assert output.strip() == block.text.strip(), where


def _last_json(output: str, where: str) -> Any:
    start = output.find("{")
    assert start >= 0, f"{where}: nothing above printed JSON: {output!r}"
    return json.loads(output[start:])


def _python(block: Block, environment: dict[str, str], folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-"],
        input=block.text,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class Shell:
    """One shell for all examples of a page, so that a later one can use what an earlier one set."""

    _END: Final = "--- end of the example, status"

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            ["sh"],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def run(self, text: str, where: str) -> str:
        """Run a block. Gives what it printed; fails where its last command does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{text}\nprintf '\\n%s %d\\n' '{self._END}' $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while line := self._process.stdout.readline():
            if line.startswith(self._END):
                assert line.split()[-1] == "0", f"{where}: {''.join(lines)}"
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"{where}: the shell ended: {''.join(lines)}")


# -- the stand-ins prove something only where they notice


def test_a_shown_answer_that_is_not_real_is_noticed() -> None:
    real = {"verdict": "DENY", "issues": [{"code": "A", "severity": "HIGH"}, {"code": "B"}], "risk_score": 95}
    assert not list(differences({"verdict": "DENY", "issues": [{"code": "A"}, "…"]}, real))
    assert list(differences({"verdict": "ALLOW"}, real))
    assert list(differences({"issues": [{"code": "A"}]}, real))
    assert list(differences({"risk_score": 95.0}, real))
    assert list(differences({"missing": "…"}, real))
