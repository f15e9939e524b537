"""The house rules: what an import loads, who may import whom, what a wheel holds, and that nothing is half done."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from stage0.policy.load import shipped_names
from tests.asserting import if_any, nonempty
from tests.vacuous import vacuous

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src"
TESTS: Final = ROOT / "tests"
BIN: Final = Path(sys.executable).parent

# -- importing


def _loaded(statement: str) -> set[str]:
    """The modules that a statement loads in a new interpreter."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(ran.stdout.split())


def test_importing_the_package_loads_no_module_but_itself_and_the_standard_librarys() -> None:
    loaded = _loaded("import stage0")
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {"stage0"}


def test_the_client_loads_its_libraries_and_nothing_of_the_engine_or_the_server() -> None:
    loaded = _loaded("from stage0 import AsyncClient, Client, Stage0Error")
    assert {name for name in loaded if name.startswith("stage0")} == {
        "stage0",
        "stage0.client",
        *[f"stage0.client.{name}" for name in ("answer", "client", "errors", "proposal", "transport")],
    }
    heavy = {"sqlalchemy", "alembic", "click", "starlette", "uvicorn", "sqlglot", "structlog", "tree_sitter", "opencc"}
    assert not heavy & {name.partition(".")[0] for name in loaded}


def test_the_help_of_the_command_line_loads_neither_database_nor_web_server() -> None:
    loaded = _loaded("from stage0.cli.main import cli")
    assert not {"sqlalchemy", "alembic", "starlette", "uvicorn", "sqlglot"} & {
        name.partition(".")[0] for name in loaded
    }


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    import stage0

    assert all(getattr(stage0, name) for name in nonempty(stage0.__all__))
    with pytest.raises(AttributeError, match="nothing"):
        _ = stage0.nothing


# -- who may import whom


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources with the project's rules."""
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint_imports(copy: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    return subprocess.run(
        [str(BIN / "lint-imports"), "--no-logo", "--no-cache"],
        cwd=copy,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )


def test_the_sources_keep_the_import_rules(copy: Path) -> None:
    checked = _lint_imports(copy)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("module", "planted", "rule"),
    [
        ("core/decide.py", "import sqlalchemy", "reading, core and rules reach nothing outside themselves"),
        ("core/decide.py", "import time", "reading, core and rules reach nothing outside themselves"),
        ("rules/role.py", "import os", "reading, core and rules reach nothing outside themselves"),
        ("core/facts.py", "from stage0.policy import shipped_packs", "each layer imports only those below it"),
        ("server/checks.py", "import sqlalchemy", "the ledger alone imports the database libraries"),
        ("client/client.py", "from stage0.engine import Engine", "the client and the integrations import nothing"),
        ("ledger/ids.py", "from stage0.server.errors import ApiError", "each layer imports only those below it"),
    ],
)
def test_an_import_that_is_not_allowed_fails_the_check_and_is_named(
    module: str, planted: str, rule: str, copy: Path
) -> None:
    path = copy / "src" / "stage0" / module
    source = path.read_text(encoding="utf-8")
    marker = "from __future__ import annotations\n"
    assert marker in source
    path.write_text(source.replace(marker, f"{marker}\n{planted}\n", 1), encoding="utf-8")
    checked = _lint_imports(copy)
    assert checked.returncode != 0
    flat = " ".join(checked.stdout.split())
    assert re.search(rf"{re.escape(rule)}.*? BROKEN", flat), checked.stdout
    assert f"stage0.{module.removesuffix('.py').replace('/', '.')}" in flat


#: Where what ships is put together with the rest: everything else is given it.
ROOTS: Final = ("app.py", "cli/", "server/settings.py", "ledger/replay_process.py", "ledger/catalogue.py")
#: It passes on what it imports, and fetches nothing.
PASSES_ON: Final = "policy/__init__.py"
SHIPPED: Final = frozenset({"shipped_packs", "shipped_plans", "shipped_catalogue", "catalogue_with"})


def _fetched(source: str) -> set[str]:
    """What of that which ships a module fetches by itself: called, imported or only named."""
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            named |= {each.name for each in node.names}
        elif isinstance(node, ast.Name):
            named.add(node.id)
        elif isinstance(node, ast.Attribute):
            named.add(node.attr)
    return named & SHIPPED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def make():\n    return shipped_packs()", {"shipped_packs"}),
        ("from stage0.policy import shipped_packs as packs", {"shipped_packs"}),
        ("def make():\n    return load.shipped_packs()", {"shipped_packs"}),
        ("make = partial(shipped_plans)", {"shipped_plans"}),
        ("def make(plans):\n    return catalogue_with(plans)", {"catalogue_with"}),
        ("def shipped_packs():\n    return read()", set()),
        ("def make(catalogue):\n    return catalogue.packs", set()),
    ],
)
def test_what_fetches_what_ships_is_found(source: str, found: set[str]) -> None:
    assert _fetched(source) == found


def test_what_ships_is_given_and_not_fetched() -> None:
    package = SOURCE / "stage0"
    named = {
        path.relative_to(package).as_posix(): _fetched(path.read_text(encoding="utf-8"))
        for path in package.rglob("*.py")
    }
    fetching = nonempty(path for path, found in named.items() if found)
    assert [path for path in nonempty(fetching) if not path.startswith(ROOTS)] == [PASSES_ON]


_OF_PLANS: Final = re.compile(r"\b(?:Plans?|shipped_plans|read_plans|_plans_in|shipped_catalogue|catalogue_with)\b")


def _tables_of_plans(source: str) -> list[str]:
    """Names that a module keeps plans under, or rebinds from inside of a function. An alias of types keeps none."""
    tree = ast.parse(source)
    kept = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Subscript):
            kept += [ast.unparse(each) for each in node.targets if _OF_PLANS.search(ast.unparse(node.value))]
        elif isinstance(node, ast.AnnAssign) and "TypeAlias" not in ast.unparse(node.annotation):
            held = ast.unparse(node.annotation) + (f" {ast.unparse(node.value)}" if node.value else "")
            kept += [ast.unparse(node.target)] if _OF_PLANS.search(held) else []
    rebound = [name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names]
    return [*kept, *(name for name in rebound if "plan" in name.lower())]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("PLANS: Final[dict[str, Plan]] = convert(read(path), dict[str, Plan])", ["PLANS"]),
        ("PLANS: Plans", ["PLANS"]),
        ("PLANS = shipped_plans()", ["PLANS"]),
        ("OFFERED = catalogue_with(read_plans(path))", ["OFFERED"]),
        ("def use(path):\n    global _plans\n    _plans = read_plans(path)", ["_plans"]),
        ("Plans = Mapping[str, Plan]", []),
        ("def make(path):\n    plans = read_plans(path)\n    return plans", []),
    ],
)
def test_a_table_of_plans_that_a_module_keeps_is_found(source: str, found: list[str]) -> None:
    assert _tables_of_plans(source) == found


def test_no_module_keeps_a_table_of_plans() -> None:
    found = {str(path): _tables_of_plans(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}
    assert {path: names for path, names in nonempty(found.items()) if names} == {}


def test_no_room_calls_the_command_line() -> None:
    package = SOURCE / "stage0"
    files = [path for path in package.rglob("*.py") if not path.is_relative_to(package / "cli")]
    assert len(files) > 100
    called = re.compile(r"stage0\.cli\b")
    assert not [str(path) for path in nonempty(files) if called.search(path.read_text(encoding="utf-8"))]


# -- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that is built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [str(BIN / "uv"), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
    # The build backend is in uv's cache since this environment was made; where it is not, uv fetches it.
    if subprocess.run([*command, "--offline"], env=environment, capture_output=True, check=False).returncode:
        subprocess.run(command, env=environment, check=True)
    [built] = folder.glob("stage0-*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    here = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "stage0").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel.namelist() if name.startswith("stage0/")}
    assert held == here
    assert "stage0/py.typed" in held
    assert {
        f"stage0/policy/packs/{name}/{file}.yaml" for name in nonempty(shipped_names()) for file in ("pack", "suite")
    } <= held
    assert "stage0/ledger/plans.yaml" in held
    assert {f"stage0/knowledge/lexicon/{language}.yaml" for language in ("en", "ja", "zh")} <= held
    assert any(name.startswith("stage0/ledger/migrations/versions/0001") for name in held)


def test_the_wheel_needs_the_client_alone_and_leaves_the_server_to_its_extra(wheel: zipfile.ZipFile) -> None:
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    text = wheel.read(metadata).decode()
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)(.*)$", text, re.MULTILINE)
    assert {name for name, more in needed if "extra ==" not in more} == {"httpcore2", "msgspec", "truststore"}
    assert "License-Expression: Apache-2.0" in text
    assert "Requires-Python: >=3.11" in text


# -- what is quick

#: What `make quick` leaves out: it starts processes or takes long.
SLOW: Final = frozenset(
    {
        "bench",
        "cli",
        "client",
        "docs",
        "engine",
        "ledger",
        "server",
        "test_determinism.py",
        "test_memory.py",
        "test_postgres_fixture.py",
        "test_threads.py",
    }
)
#: What a pure test does not import. This file starts linters; the corpus runs through a server as well, if not quickly.
IMPURE: Final = re.compile(r"^ *(?:from|import) (?:subprocess|stage0\.(?:app|server)|tests\.running)\b", re.MULTILINE)
MIXED: Final = frozenset({"test_corpus.py", "test_house.py"})


def _quick() -> list[str]:
    """The folders and files of tests that `make quick` runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"^QUICK := \$\(addprefix tests/,([^)]*)\)", makefile, re.MULTILINE)
    assert found is not None
    return found[1].replace("\\", " ").split()


def test_every_test_is_quick_or_left_out_of_make_quick_on_purpose() -> None:
    here = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    listed = sorted([*_quick(), *SLOW])
    assert listed == sorted(here), "QUICK in the Makefile and SLOW in tests/test_house.py list each folder once"


def test_what_is_quick_starts_nothing() -> None:
    quick = [TESTS / name for name in _quick() if name not in MIXED]
    files = [file for path in quick for file in (path.rglob("*.py") if path.is_dir() else [path])]
    assert len(files) > 40
    assert [str(file) for file in nonempty(files) if IMPURE.search(file.read_text(encoding="utf-8"))] == []


# -- no assertion that holds of nothing


def _vacuous(source: str) -> list[str]:
    return [ast.unparse(each) for each in vacuous(ast.parse(source))]


def test_what_is_asserted_of_each_is_asserted_of_something() -> None:
    """An assertion over what may be empty says so: `nonempty(...)` or, where that is right, `if_any(...)`."""
    files = nonempty(sorted(TESTS.rglob("*.py")))
    found = {str(path.relative_to(ROOT)): _vacuous(path.read_text(encoding="utf-8")) for path in files}
    assert {path: each for path, each in nonempty(found.items()) if each} == {}


@pytest.mark.parametrize(
    ("source", "empty"),
    [
        ("assert all(x.ok for x in found)", "found"),
        ("assert all(oks)", "oks"),
        ("assert done and all(x.ok for x in found)", "found"),
        ("assert not any(x.bad for x in found)", "found"),
        ("assert [x for x in found if x.bad] == []", "found"),
        ("assert {x: y for x, y in found.items() if y} == {}", "found.items()"),
        ("assert not [x for x in found if x.bad]", "found"),
        ("assert {x.code for x in found} <= known", "found"),
        ("assert set(found) <= known", "set(found)"),
        ("for x in found:\n    with y:\n        assert x", "found"),
        ("for x in range(count):\n    assert x", "range(count)"),
        ("for n, x in enumerate(found):\n    assert x", "enumerate(found)"),
        ("assert all(x.ok for x in nonempty(found) if x.new)", "(x.ok for x in nonempty(found) if x.new)"),
        ("def test():\n    async def run():\n        assert all(found)", "found"),
    ],
)
def test_an_assertion_over_what_may_be_empty_is_found(source: str, empty: str) -> None:
    assert _vacuous(source) == [empty]


@pytest.mark.parametrize(
    "source",
    [
        "assert all(x.ok for x in nonempty(found))",
        "assert all(x.ok for x in nonempty(x for x in found if x.new))",
        "assert all(x.ok for x in if_any(found))",
        "assert all(x.ok for x in (one, *others))",
        "assert any(x.ok for x in found)",
        "assert not all(x.ok for x in found)",
        "assert [x.bad for x in found] == []",
        "assert [x for x in nonempty(found) if x.bad] == []",
        "assert {one, other} <= found",
        "for x in range(3):\n    assert x",
        "for n, x in enumerate(nonempty(found)):\n    assert x",
        "for x in found:\n    send(x)",
        "@given(lists)\ndef test(found):\n    assert all(found)",
    ],
)
def test_an_assertion_that_cannot_hold_of_nothing_is_left_alone(source: str) -> None:
    assert _vacuous(source) == []


def test_items_that_have_to_be_there_are_and_fail_where_there_are_none() -> None:
    assert nonempty(iter("ab")) == ["a", "b"]
    assert if_any(()) == []
    with pytest.raises(AssertionError, match="nothing"):
        nonempty(())


# -- nothing half done

MODULES: Final = sorted((SOURCE / "stage0").rglob("*.py"))
each_module = pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(SOURCE)) for path in MODULES])


@each_module
def test_no_stub_is_left(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError|NotImplemented)\b", text)


@each_module
def test_every_module_and_every_public_name_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    missing = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not missing
