"""The conditions of a pack's own rules: CEL (Common Expression Language) over the facts of `core/view.py`.

The only importer of the CEL library. Conditions are checked when a pack is loaded: a fact that there is not, a type
that does not fit and an effect that nothing has are errors then. On the way of a check many conditions are one
expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from stage0.core.view import FACT_TYPES
from stage0.knowledge.source import nearest
from stage0.reading.effects import EFFECTS

if TYPE_CHECKING:
    from cel_expr_python.cel import Env, Expression

#: Conditions of one expression, and its characters: more would be no quicker, and compile in one long piece.
_TOGETHER: Final = 50
_CHARACTERS: Final = 20_000
_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_WORD: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
#: A calendar that is named, another use of `calendars`, or a text, in which neither counts.
_CALENDAR: Final = re.compile(
    rf"(?<![\w.])calendars(?:\.(?P<name>\w+)|\[(?P<text>{_LITERAL.pattern})\]|(?P<other>\b))|{_LITERAL.pattern}"
)
_EFFECT: Final = re.compile(r"(['\"])([^'\"]*)\1\s+in\s+effects\b")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']+)'")
_OVERLOAD: Final = re.compile(r"found no matching overload for '([^']+)' applied to '\(([^)]*)\)'")
_AT: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.+)")
_OPERATORS: Final = {"_>_": ">", "_<_": "<", "_>=_": ">=", "_<=_": "<=", "_==_": "==", "_!=_": "!=", "_+_": "+"}
#: What may turn round what stands beside it: a longer part that is denied or compared, a choice, a comment.
_TURNED: Final = re.compile(r"!\s*[\w.]*\(|\?|//|exists_one|\)\s*(?:==|!=|<|>|in\b)|(?:==|!=|<|>)=?\s*\(")
_SIZE: Final = 1 << 63


class ConditionError(ValueError):
    """A condition that cannot be used: what is wrong, and what to do."""


class CompiledConditions:
    """See `core.pack.Conditions`. `facts` are further facts that texts name; `between` is called between pieces of
    compiling, which nothing else in the process can interrupt."""

    def __init__(
        self, conditions: Sequence[str], facts: Collection[str] = (), *, between: Callable[[], None] | None = None
    ) -> None:
        """Raises ConditionError; `check_condition` says which one is wrong."""
        named = {name for text in conditions for name in _names(text)} | set(facts)
        self.names: Collection[str] = tuple(sorted(named - {"calendars"}))
        self.reads = frozenset(field for name in self.names for field in FACT_TYPES[name].reads)
        self.calendars: Collection[str] = tuple(sorted({c for text in conditions for c in calendars_of(text)}))
        self._texts = tuple(conditions)
        self._groups = []
        for group in _grouped(conditions):
            self._groups.append(_compile(_list_of(group)))
            if between is not None:
                between()
        self._sizes = [len(group) for group in _grouped(conditions)]

    def held(self, facts: Mapping[str, Any]) -> Sequence[bool | None]:
        """Which of them hold, in order; None for one that cannot be worked out on these facts."""
        activation = _environment().Activation(facts)
        results: list[bool | None] = []
        for group, size in zip(self._groups, self._sizes, strict=True):
            outcome = _evaluated(group, activation)
            results += outcome if isinstance(outcome, list) else self._one_by_one(facts, len(results), size)
        return results

    def _one_by_one(self, facts: Mapping[str, Any], first: int, size: int) -> list[bool | None]:
        """One of them failed, and with it the list. Whole numbers that CEL cannot hold are taken as fractions; facts
        that are whole numbers, as the largest that it can."""
        activation = _environment().Activation({name: _held_fact(value) for name, value in facts.items()})
        results: list[bool | None] = []
        for text in self._texts[first : first + size]:
            outcome = _evaluated(_compile(text), activation)
            results.append(outcome if isinstance(outcome, bool) else None)
        return results


def _evaluated(expression: Expression, activation: Any) -> Any:
    """What an expression gives; None where it cannot be worked out, or has more to look at than CEL allows."""
    try:
        value = expression.eval(activation)
    except (RuntimeError, MemoryError):
        return None
    return None if value.type().name() in ("ERROR", "UNKNOWN") else value.plain_value()


def check_condition(text: str, calendars: Collection[str]) -> None:
    """Raises ConditionError where a condition is none, can never hold or fail to, or could not be looked through."""
    _check_spelling(text)
    if any(found["other"] is not None for found in _CALENDAR.finditer(text)):
        raise ConditionError("asks `calendars` for none by name; write `calendars.business_hours`, for example")
    for name in sorted(calendars_of(text)):
        if name not in calendars:
            raise ConditionError(f"there is no calendar `{name}`{nearest(name, calendars)}")
    for found in _EFFECT.finditer(text):
        if found[2] not in EFFECTS:
            raise ConditionError(f"no action ever has the effect `{found[2]}`{nearest(found[2], EFFECTS)}")
    expression = _compile(text)
    kind = expression.return_type().name()
    if kind != "BOOL":
        raise ConditionError(f"gives a `{kind.lower()}`, and a condition is true or false: compare it with something")
    _check_depends(expression, text)


_GROWS: Final = re.compile(r"\.\s*map\s*\(")
_DOTTED: Final = re.compile(r"(?<![\w)\]'\"])\s*\.\s*[A-Za-z_]")
_RAW: Final = re.compile(r"(?<!\w)(?:[rR][bB]?|[bB][rR])(?=['\"])")


def _check_spelling(text: str) -> None:
    """Raises ConditionError for what hides facts from the checks here, or makes values that grow without a bound."""
    if "'''" in text or '"""' in text:
        raise ConditionError("has three quotation marks in a row: write texts with one on each side")
    bare = _LITERAL.sub("''", text)
    if _RAW.search(text):
        raise ConditionError("has a raw text (`r'...'`): write it without, and double its backslashes")
    if _GROWS.search(bare):
        raise ConditionError("has `map`, which makes new values: ask with `exists`, `all` or `filter`")
    if _DOTTED.search(bare):
        raise ConditionError("has a name that begins with a dot: write the name alone")


def _check_depends(expression: Expression, text: str) -> None:
    """Raises ConditionError where a condition says the same without any fact: that one is the same for every action."""
    value = expression.eval(data={})
    if value.type().name() == "BOOL":
        raise ConditionError(
            "holds for every action; say in which case it should"
            if value.plain_value()
            else "can never hold: it is always false"
        )
    if not _names(text):
        raise ConditionError("names no fact, and cannot be worked out")


def calendars_of(text: str) -> set[str]:
    """The calendars that a condition names."""
    return {
        found["name"] or found["text"][1:-1] for found in _CALENDAR.finditer(text) if found["name"] or found["text"]
    }


def holds_when_closed(text: str, calendar: str) -> bool:
    """Whether a condition surely holds no less often where a calendar is closed more often: each part of it that asks
    for the calendar is `!calendars.name` by itself, and nothing turns a longer part round."""
    bare = _LITERAL.sub("''", text)
    left = re.sub(rf"(^|&&|\|\||(?<!\w)\()\s*!\s*calendars\.{calendar}(?=\s*(?:&&|\|\||\)|$))", r"\1 true", bare)
    return calendar not in calendars_of(left) and "calendars[" not in left and not _TURNED.search(left)


_SILENCED: Final = re.compile(
    r"!\s*\(?\s*(production|high_risk|(?:'[^']*'|\"[^\"]*\")\s+in\s+(?:effects|environments))\b"
    r"|\b(production|high_risk)\s*==\s*false"
)


def silenced_by_danger(text: str) -> str:
    """What a condition asks to be absent though it is a danger: more of it turns the rule off; empty for nothing."""
    found = _SILENCED.search(text)
    return "" if found is None else found[1] or found[2]


def unguarded(text: str) -> str:
    """A key of `arguments` or `context` that a condition reads without asking `has(...)` first; empty for none."""
    for found in re.finditer(r"(?<![\w.])((?:arguments|context)(?:\.\w+)+)(?!\w|\()", text):
        chain = found[1]
        if f"has({chain})" not in text.replace(" ", ""):
            return chain
    return ""


def _names(text: str) -> set[str]:
    bare = _LITERAL.sub("''", text)
    return {word for word in _WORD.findall(bare) if word in FACT_TYPES or word == "calendars"}


def _list_of(conditions: Iterable[str]) -> str:
    """Conditions as one expression. A comment at the end of one ends with its line."""
    return "[" + ", ".join(f"({text}\n)" for text in conditions) + "]"


def _grouped(conditions: Sequence[str]) -> list[list[str]]:
    groups: list[list[str]] = []
    length = 0
    for text in conditions:
        if not groups or len(groups[-1]) == _TOGETHER or length + len(text) > _CHARACTERS:
            groups.append([])
            length = 0
        groups[-1].append(text)
        length += len(text)
    return groups


@lru_cache(maxsize=1)
def _environment() -> Env:
    try:
        from cel_expr_python import cel
    except ImportError:
        raise ConditionError(
            "`cel-expr-python`, which evaluates a pack's own rules, is not installed: there is none for this machine"
        ) from None
    kinds = {
        "string": cel.Type.STRING,
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "list(string)": cel.Type.List(cel.Type.STRING),
        "map(string, dyn)": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    }
    types = {name: kinds[fact.type] for name, fact in FACT_TYPES.items()}
    return cel.NewEnv(variables={**types, "calendars": cel.Type.Map(cel.Type.STRING, cel.Type.BOOL)})


@lru_cache(maxsize=4096)
def _compile(text: str) -> Expression:
    try:
        return _environment().compile(text)
    except RuntimeError as error:
        raise ConditionError(_in_words(str(error), text)) from None


def _in_words(error: str, text: str) -> str:
    """What the compiler says, in one sentence."""
    undeclared = _UNDECLARED.search(error)
    if undeclared:
        known = [*FACT_TYPES, "calendars"]
        return f"there is no fact `{undeclared[1]}`{nearest(undeclared[1], known)}"
    overload = _OVERLOAD.search(error)
    if overload:
        operator, kinds = _OPERATORS.get(overload[1], overload[1].strip("_")), overload[2]
        hint = "; a number with a fraction is written `100.0`" if {"double", "int"} <= set(kinds.split(", ")) else ""
        return f"`{operator}` does not take ({kinds}){hint}"
    found = _AT.search(error)
    if found is None:
        return error.partition("\n")[0]
    line, column, problem = int(found[1]), int(found[2]), found[3].partition(" expecting {")[0]
    return f"{problem} (line {line}, column {column} of the condition `{' '.join(text.split())[:80]}`)"


def _held_fact(value: Any) -> Any:
    """A fact that CEL can hold."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return max(-_SIZE, min(_SIZE - 1, value)) if whole else _held(value)


def _held(value: Any) -> Any:
    """A value that CEL can hold."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_SIZE <= value < _SIZE else _fraction(value)
    if isinstance(value, dict):
        return {key: _held(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_held(item) for item in value]
    return value


def _fraction(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
