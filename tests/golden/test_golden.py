"""The golden file: how every text of the tests and the corpus is read, so that a reading changes on purpose."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from pathlib import Path
from typing import Final

from tests.asserting import nonempty
from tests.golden.readings import SHOWN, lines
from tests.golden.texts import ANYWHERE, FILES, TESTS, texts

FILE: Final = Path(__file__).parent / "readings.txt"
WRITING: Final = "if each is on purpose, write the file anew: WRITE_GOLDEN=1 .venv/bin/pytest tests/golden"
#: Lines of a difference that a failure shows.
MOST: Final = 60


def test_every_text_is_read_as_the_golden_file_says() -> None:
    now = lines()
    if os.environ.get("WRITE_GOLDEN"):
        FILE.write_text("\n".join(now) + "\n", encoding="utf-8")
    before = FILE.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    changed = [line for line in difflib.unified_diff(before, now, "golden", "now", n=0, lineterm="") if line[0] in "+-"]
    assert not changed, "\n".join([f"{len(changed) - 2} lines of readings differ; {WRITING}", *changed[2 : MOST + 2]])


def test_no_text_stands_twice_in_the_golden_file() -> None:
    """A text is told by its beginning and, where it is long, by its digest."""
    stands = Counter(tuple(line.split("\t")[:2]) for line in lines())
    assert len(stands) > 5_000
    assert [text for text, times in nonempty(stands.items()) if times > 1] == []
    assert max(len(text) for _, text in stands) < SHOWN + 20


def test_every_file_that_is_of_one_kind_exists() -> None:
    assert FILES.keys() - {path.name for path in TESTS.rglob("*.py")} == set()


SOURCE: Final = '''
"""Not a text."""

TABLE = {"Delete the users": {"delete"}}

@pytest.mark.parametrize(("text", "effect"), [("drop it", "a word that is expected")], ids=["an id"])
def test_it(text: str, effect: str) -> None:
    """Nor is this."""
    assert read("rm " + "-r " * 2 + "x") == "what comes of it", "what a failure says"
'''


def found(folder: Path, name: str, text: str) -> set[tuple[str, str]]:
    """The texts in a file of tests."""
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return set(texts({"delete"}, {"goal", "constraints"}, folder))


def test_a_text_enters_by_itself_as_what_its_file_is_about(tmp_path: Path) -> None:
    expected = {("command", f'"{text}"') for text in ("Delete the users", "drop it", "rm -r -r x")}
    assert found(tmp_path, "core/test_shell.py", SOURCE) == expected


def test_a_text_of_a_new_file_is_read_wherever_it_could_stand(tmp_path: Path) -> None:
    given = ('"Delete the users"', '"drop it"', '"rm -r -r x"')
    assert found(tmp_path, "reading/test_new.py", SOURCE) == {(surface, text) for surface in ANYWHERE for text in given}


def test_the_names_beside_texts_say_what_they_are_in_every_folder(tmp_path: Path) -> None:
    source = 'ask(goal="Pay Bob", tools=["pay"], side_effects=["payment"], constraints=other)\nname = "not a text"'
    assert found(tmp_path, "server/test_new.py", source) == {
        ("goal", '"Pay Bob"'),
        ("tool", '"pay"'),
        ("declared", '"payment"'),
    }


def test_a_request_is_one_text_in_sources_and_in_data(tmp_path: Path) -> None:
    request = '{"constraints": ["dry-run"], "goal": "Pay Bob"}'
    assert found(tmp_path, "cli/test_new.py", f"BODY = {request}") == {("request", request)}
    assert found(tmp_path, "corpus/new.json", f'[{{"name": "x", "request": {request}}}]') == {("request", request)}


def test_a_call_is_read_with_its_tool(tmp_path: Path) -> None:
    source = (
        "def said_to(tool, **arguments): ...\n"
        'said_to("bank", to="bob")\n'
        '@pytest.mark.parametrize(("tool", "arguments"), [("bank", {"to": "ann"})])\n'
        "def test_it(tool, arguments): ...\n"
    )
    assert found(tmp_path, "core/test_arguments.py", source) == {
        ("request", f'{{"context": {{"tool_arguments": {{"to": "{name}"}}}}, "tools": ["bank"]}}')
        for name in ("ann", "bob")
    }
