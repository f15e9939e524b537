"""Every text that the tests and the corpus have read, found in their sources: a new one enters by itself.

The sources are looked at, not run. The name nearest to a text says what it is: the key of an object, a keyword, the
column of a table, the table. Else its file does, where all texts of a file are of one kind.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

TESTS: Final = Path(__file__).parent.parent
#: Longer texts test bounds, not reading (in characters).
LONGEST: Final = 2_000

Surface = str
Surfaces = tuple[Surface, ...]
#: One text to read: a surface and what is given to it, as JSON.
Given = tuple[Surface, str]

#: Where a text of no known kind could stand.
ANYWHERE: Final[Surfaces] = ("goal", "tool", "declared", "constraint", "command", "query")
NOTHING: Final[Surfaces] = ()

#: What a name says of the text that it stands beside, in every test.
_NAMED: Final[Mapping[str, Surfaces]] = {
    **dict.fromkeys(("goal", "goals", "hit", "near_miss"), ("goal",)),
    **dict.fromkeys(("tool", "tools", "tool_name"), ("tool",)),
    **dict.fromkeys(("constraint", "constraints"), ("constraint",)),
    **dict.fromkeys(("tool_arguments", "arguments"), ("arguments",)),
    **dict.fromkeys(("sql", "statement", "statements"), ("sql",)),
    "tool_description": ("description",),
    "side_effects": ("declared",),
    "command": ("command",),
}
#: What else a name says in the tests of reading: elsewhere it means other things.
_NAMED_IN_READING: Final[Mapping[str, Surfaces]] = {
    "query": ("query",),
    "url": ("url",),
    "path": ("path",),
    "pipeline": ("pipeline",),
    **dict.fromkeys(("match", "ids", "reason", "id"), NOTHING),
}
#: Folders of tests of reading. Texts in a file of theirs that is not listed below are read as if they stood anywhere.
_READING: Final = frozenset({"core", "reading", "lexicon"})
FILES: Final[Mapping[str, Surfaces]] = {
    "test_arguments.py": ("arguments",),
    "test_constraints.py": ("constraint",),
    "test_goal.py": ("goal", "description"),
    "test_http.py": ("arguments",),
    "test_python.py": ("code",),
    "test_registry.py": ("tool",),
    "test_shell.py": ("command",),
    "test_sql.py": ("sql",),
    "test_names.py": ("tool",),
    # Not about reading texts. Requests in them, and what a name tells to be a text, are read all the same.
    **dict.fromkeys(
        (
            "test_calendar.py",
            "test_canonical.py",
            "test_context.py",
            "test_datakinds.py",
            "test_fingerprint.py",
            "test_lexicon.py",
            "test_limits.py",
            "test_masking.py",
            "test_repeating.py",
            "test_valid_until.py",
            "test_verdict.py",
            "test_walk.py",
        ),
        NOTHING,
    ),
}
#: What files hold whose tables label their texts.
_LABELLED: Final = (ANYWHERE, ("arguments",))
#: Columns of a table that hold texts wherever they stand.
_TEXTS: Final = frozenset({"text", "texts"})
#: Fields any of which makes an object a request.
_TELLING: Final = frozenset({"goal", "constraints", "tools", "side_effects", "context"})


def texts(expected: Collection[str], fields: Collection[str], folder: Path = TESTS) -> list[Given]:
    """Every text below a folder with its surface, sorted. Those in `expected` are words of expectations, not texts;
    `fields` are those of a request."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}
    callers = frozenset(
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.args.kwarg is not None and node.args.kwarg.arg == "arguments"
    )
    found: dict[Given, None] = {}
    for path, tree in trees.items():
        reading = not _READING.isdisjoint(path.relative_to(folder).parts[:-1])
        surfaces = FILES.get(path.name, ANYWHERE) if reading else NOTHING
        found.update(dict.fromkeys(_Collector(expected, fields, callers, reading=reading).of_node(tree, surfaces)))
    for path in sorted(path for ending in ("json", "yaml") for path in folder.rglob(f"*.{ending}")):
        collector = _Collector(expected, fields, callers, reading=False)
        found.update(dict.fromkeys(collector.of_value(_data(path), NOTHING)))
    return sorted(found)


def _data(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)


class _Unknown:
    """What a source says only when it runs."""


_UNKNOWN: Final = _Unknown()


class _Collector:
    """Collects the texts of one file. `callers` are functions whose keywords are the arguments of a call."""

    def __init__(
        self, expected: Collection[str], fields: Collection[str], callers: frozenset[str], *, reading: bool
    ) -> None:
        self._expected = frozenset(expected)
        self._fields = frozenset(fields)
        self._callers = callers
        self._named = {**_NAMED, **_NAMED_IN_READING} if reading else _NAMED

    # -- what a source holds

    def of_node(self, node: ast.AST, surfaces: Surfaces) -> Iterator[Given]:
        """The texts of a piece of source that stand on these surfaces where nothing nearer names another."""
        value = _plain(node)
        if not isinstance(value, _Unknown):
            yield from self.of_value(value, surfaces)
            return
        match node:
            case ast.Dict():
                for key, item in zip(node.keys, node.values, strict=True):
                    name = _UNKNOWN if key is None else _plain(key)
                    row = isinstance(item, ast.Tuple) or isinstance(_plain(item), str)
                    yield from self.of_value(name, _of_key(surfaces, row=row))
                    yield from self.of_node(item, self._of_name(name, _of_item(surfaces, row=row)))
            case ast.Call():
                yield from self._of_call(node, surfaces)
            case ast.Compare():
                # What something is compared with is expected of it.
                for side in (node.left, *node.comparators):
                    if isinstance(_plain(side), _Unknown):
                        yield from self.of_node(side, surfaces)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if node.value:
                yield from self.of_node(node.value, self._of_name(name.lower().rpartition("_")[2], surfaces))
            case ast.Assert():
                yield from self.of_node(node.test, surfaces)
            case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Subscript() | ast.arguments() | ast.BinOp():
                # Docstrings, pieces of texts, keys, annotations.
                pass
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self.of_node(child, surfaces)

    def _of_call(self, node: ast.Call, surfaces: Surfaces) -> Iterator[Given]:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == "parametrize" and len(node.args) > 1:
            yield from self._of_rows(node.args[0], node.args[1], surfaces)
            return
        given = {each.arg: _plain(each.value) for each in node.keywords if each.arg}
        if called in self._callers and given and not any(isinstance(value, _Unknown) for value in given.values()):
            named = [_plain(each) for each in node.args[:1]]
            yield from self._of_request(_calling(named[0] if named else None, given))
            return
        if isinstance(node.func, ast.Attribute):
            yield from self.of_node(node.func.value, surfaces)
        for item in node.args:
            yield from self.of_node(item, surfaces)
        for each in node.keywords:
            yield from self.of_node(each.value, self._of_name(each.arg, surfaces))

    def _of_rows(self, names: ast.expr, table: ast.expr, surfaces: Surfaces) -> Iterator[Given]:
        """The rows of a parametrized test: what stands first is the text unless names say otherwise."""
        plain = _plain(names)
        columns = (
            plain.split(",") if isinstance(plain, str) else list(plain) if isinstance(plain, (list, tuple)) else [""]
        )
        for row in table.elts if isinstance(table, (ast.List, ast.Tuple)) else ():
            cells = row.args if isinstance(row, ast.Call) else row.elts if isinstance(row, ast.Tuple) else [row]
            if len(columns) == 1 or len(cells) != len(columns):
                yield from self.of_node(row, self._of_name(columns[0], surfaces))
                continue
            by_name = dict(zip(map(str.strip, columns), cells, strict=True))
            arguments = _plain(by_name["arguments"]) if "arguments" in by_name else None
            if "tool" in by_name and isinstance(arguments, dict):
                yield from self._of_request(_calling(_plain(by_name["tool"]), arguments))
                continue
            for index, (name, cell) in enumerate(by_name.items()):
                other = index > 0 and name not in _TEXTS
                yield from self.of_node(cell, self._of_name(name, NOTHING if other else surfaces))

    def _of_name(self, name: object, surfaces: Surfaces) -> Surfaces:
        return self._named.get(name, surfaces) if isinstance(name, str) else surfaces

    # -- plain values

    def of_value(self, value: Any, surfaces: Surfaces) -> Iterator[Given]:
        """The texts of a plain value. Sets are expectations."""
        if isinstance(value, str):
            yield from self._of_text(value, surfaces)
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from self.of_value(item, surfaces)
        elif isinstance(value, dict):
            if value.keys() <= self._fields and not _TELLING.isdisjoint(value):
                yield from self._of_request(value)
            elif surfaces == ("arguments",) and _is_json(value):
                yield from self._of_request(_calling(None, value))
            else:
                for key, item in value.items():
                    row = isinstance(item, (tuple, str))
                    yield from self.of_value(key, _of_key(surfaces, row=row))
                    yield from self.of_value(item, self._of_name(key, _of_item(surfaces, row=row)))

    def _of_text(self, text: str, surfaces: Surfaces) -> Iterator[Given]:
        rows = [row.strip() for row in text.strip().splitlines()]
        if len(rows) > 1 and all(" -> " in row for row in rows):
            for row in rows:
                yield from self._of_text(row.rpartition(" -> ")[0].strip().replace("\\n", "\n"), surfaces)
        elif len(text) <= LONGEST and text not in self._expected:
            for surface in surfaces:
                if surface != "arguments":
                    yield surface, _as_json(text)

    def _of_request(self, fields: Mapping[str, Any]) -> Iterator[Given]:
        if _is_json(fields) and len(encoded := _as_json(fields)) <= LONGEST:
            yield "request", encoded


def _of_key(surfaces: Surfaces, *, row: bool) -> Surfaces:
    """The surfaces of a key in a table: beside a row with the text in it, it is a label."""
    return NOTHING if row and surfaces in _LABELLED else surfaces


def _of_item(surfaces: Surfaces, *, row: bool) -> Surfaces:
    """The surfaces of what stands beside a key: where the key is the text, a row says what is expected of it."""
    return NOTHING if row and surfaces not in _LABELLED else surfaces


def _calling(tool: object, arguments: Mapping[str, Any]) -> dict[str, Any]:
    tools = {"tools": [tool]} if isinstance(tool, str) else {}
    return {**tools, "context": {"tool_arguments": dict(arguments)}}


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, (str, int, float))


def _plain(node: ast.AST) -> Any:
    """What a literal, a sum or a product of literals says; `_UNKNOWN` for everything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
        left, right = _plain(node.left), _plain(node.right)
        if isinstance(node.op, ast.Add):
            return left + right if isinstance(left, str) and isinstance(right, str) else _UNKNOWN
        fits = isinstance(left, str) and isinstance(right, int) and len(left) * right <= LONGEST
        return left * right if fits else _UNKNOWN
    if not isinstance(node, (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.UnaryOp)):
        return _UNKNOWN
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _UNKNOWN
