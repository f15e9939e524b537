"""An explanation as a page for a terminal: first what was decided and why, then what it was read from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from rich.cells import cell_len, chop_cells
from rich.text import Text

from stage0.cli.marked import Mark, Row, marked, shown
from stage0.core.explain import ConstraintView, Explanation, FactView, FiredRule, Need, QuietRule
from stage0.core.quotes import Quote
from stage0.reading.effects import HIGH_RISK

_VERDICTS: Final = {"ALLOW": "bold green", "DEFER": "bold yellow", "DENY": "bold red"}
_SEVERITIES: Final = {"HIGH": "bold red", "MEDIUM": "bold yellow", "LOW": "bold"}
_LANES: Final = {"verified": "green", "asserted": "", "absent": "dim", "invalid": "red"}
_HEADING: Final = "bold underline"
#: Where text begins below what it is about.
_INDENT: Final = 15
#: Texts of one source, and characters of a value, that are shown; --json has all.
_TEXTS: Final = 8
_VALUE: Final = 200

Part = tuple[str, str]


def page(found: Explanation, width: int) -> list[Text]:
    """The lines of a page that is so many columns wide."""
    sections: tuple[tuple[str, Callable[[Explanation, int], Iterator[Text]]], ...] = (
        (_why_title(found), _why),
        ("What it would do", _effects),
        ("Where that was read", _quotes),
        ("Constraints", _constraints),
        ("Facts", _facts),
        (f"Rules that looked and stayed quiet ({len(found.quiet)})", _quiet),
        (f"Rules not asked: no such control is present ({len(found.not_asked)})", _not_asked),
        (f"Rules that this pack has off ({len(found.off)})", _off),
    )
    lines = list(_verdict(found, width))
    for title, section in sections:
        body = list(section(found, width))
        if body:
            lines += [Text(), Text(title, _HEADING), *body]
    return lines


# -- lines


def _line(*parts: Part) -> Text:
    line = Text()
    for text, style in parts:
        line.append(text, style)
    return line


def _wrapped(head: Sequence[Part], text: str, width: int, indent: int, style: str = "") -> Iterator[Text]:
    """A text behind a head, in lines that fit; further lines begin at the indent."""
    first = _line(*head)
    if first.cell_len > indent:
        yield first
        first = Text(" " * indent)
    first.append(" " * (indent - first.cell_len))
    for number, piece in enumerate(_pieces(shown(text), width - indent)):
        line = first if number == 0 else Text(" " * indent)
        line.append(piece, style)
        yield line


def _pieces(text: str, width: int) -> Iterator[str]:
    """A text in pieces of so many columns, broken at spaces where there are any."""
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            yield line
        *full, line = chop_cells(word, width) or [""]
        yield from full
    yield line


# -- the decision


def _verdict(found: Explanation, width: int) -> Iterator[Text]:
    risk = f"risk {found.risk_score} of 100" + (", high-risk" if found.high_risk else "")
    yield _line((f"{found.verdict:8}", _VERDICTS[found.verdict]), (f"decision {found.decision}, {risk}", "bold"))
    yield from _wrapped([("told", "dim")], found.reason, width, 8)
    for question in found.questions:
        yield from _wrapped([("asked", "dim")], question, width, 8)
    at = datetime.fromtimestamp(found.decided_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield from _wrapped([("judged", "dim")], found.judged, width, 8)
    clock = "the server's clock" if found.clock == "verified" else "the request's clock, in test mode"
    pro = ", pro" if found.pro else ""
    yield from _wrapped([("by", "dim")], f"{found.policy_version}{pro}, {at} ({clock})", width, 8)
    if not found.exact:
        text = "masking its secrets would change what it says: decided as sent, shown without them"
        yield from _wrapped([("note", "dim")], text, width, 8, "yellow")


def _why_title(found: Explanation) -> str:
    return "Worth knowing" if found.verdict == "ALLOW" else "Why, the worst first"


def _why(found: Explanation, width: int) -> Iterator[Text]:
    for rule in found.fired:
        yield from _fired(rule, width)


def _fired(rule: FiredRule, width: int) -> Iterator[Text]:
    yield _line(
        (f"  {rule.severity:6}  ", _SEVERITIES[rule.severity]), (rule.code, "bold"), (f"  {rule.family}", "dim")
    )
    yield from _wrapped([], rule.message, width, 10)
    if rule.remedy:
        yield from _wrapped([("          do: ", "dim")], rule.remedy, width, 14)


# -- effects, and the text that they were read from


def _effects(found: Explanation, width: int) -> Iterator[Text]:
    for effect in found.effects:
        risk = "high-risk" if effect.high_risk else ""
        head = [(f"  {effect.effect:18}", _style((effect.effect,))), (f"{risk:10}", "dim")]
        yield from _wrapped(head, f"in {_some(effect.paths)}" if effect.paths else "", width, 30)
    if not found.effects:
        yield Text("  nothing that was understood")
    for each in found.environments:
        head = [(f"  {each.environment:18}", "bold"), (f"{'where':10}", "dim")]
        yield from _wrapped(head, f"in {_some(each.paths)}" if each.paths else "by the API key", width, 30)
    if found.production:
        yield Text("  counts as production", "bold red")


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(paths[:5]) + more


def _style(effects: Sequence[str]) -> str:
    if not HIGH_RISK.isdisjoint(effects) or not {"secret_access", "personal_data"}.isdisjoint(effects):
        return "bold red"
    return "bold yellow" if "unknown" in effects else "bold cyan"


def _quotes(found: Explanation, width: int) -> Iterator[Text]:
    for source, group in groupby(found.quotes, key=lambda quote: quote.source):
        texts = list(group)
        for quote in texts[:_TEXTS]:
            note = f"  {quote.note}" if quote.note else ""
            yield from _wrapped([(f"  {source}", "")], f"{quote.path}{note}", width, _INDENT, "dim")
            yield from _quote(quote, width)
        if len(texts) > _TEXTS:
            yield Text(f"{' ' * _INDENT}… and {len(texts) - _TEXTS} more texts, which --json lists", "dim")
    if found.hidden:
        where = ", ".join(f"{each.character} in {each.path} at {each.at}" for each in found.hidden[:5])
        yield from _wrapped([("  hidden", "bold red")], where, width, _INDENT)


def _quote(quote: Quote, width: int) -> Iterator[Text]:
    marks = [Mark(says.start, says.end, ", ".join(says.effects)) for says in quote.says if says.end > says.start]
    room = width - _INDENT - 1
    for row in marked(quote.text, marks, room):
        if row.label is None:
            yield Text(f"{' ' * _INDENT}{row.text}".rstrip())
        else:
            for text in _labelled(row, row.label, room):
                yield _line((" " * _INDENT, ""), (text, _style(row.label.split(", "))))


def _labelled(row: Row, label: str, room: int) -> Iterator[str]:
    """Carets with their label behind them, else before them, else below them, wherever it fits."""
    carets = " " * row.column + row.text
    if len(carets) + 1 + len(label) <= room:
        yield f"{carets} {label}".rstrip()
    elif len(label) < row.column:
        yield f"{label:>{row.column - 1}} {row.text}"
    else:
        yield carets
        yield from _pieces(label, room)


# -- constraints and facts

_STANDINGS: Final = {
    "applies": "applies",
    "outdone": "a stricter one of its kind counts",
    "untouched": "no such effect here: does not apply",
    "switched off": "switched off: no control",
    "value unreadable": "its value could not be read",
    "not understood": "not understood: nothing here enforces it",
}


def _constraints(found: Explanation, width: int) -> Iterator[Text]:
    given = {view.name: view for view in found.facts}
    for view in found.constraints:
        yield from _wrapped([(f"  {view.path.removeprefix('constraints')}", "dim")], view.text, width, 8)
        style = "" if view.standing in ("applies", "outdone", "untouched") else "yellow"
        yield from _wrapped([("        ", "")], _understood(view), width, 10, style)
        for need in view.needs:
            yield from _need(need, given, width)


def _understood(view: ConstraintView) -> str:
    parts = [view.kind] if view.kind else []
    if view.value is not None:
        parts.append(_value(view.value))
    if view.effects:
        parts.append(f"for {', '.join(view.effects)}")
    parts.append(_STANDINGS[view.standing])
    if view.guardrail:
        parts.append("a declared guardrail")
    return "  ".join(parts)


def _need(need: Need, given: Mapping[str, FactView], width: int) -> Iterator[Text]:
    sent = [f"{name} {_given(given[name])}" for name in need.one_of if name in given and given[name].given]
    text = f"{' and '.join(sent) or ' or '.join(need.one_of)} ({need.lane})"
    if need.accepts == "verified":
        text += ", and this pack takes it verified alone"
    missing = need.lane in ("absent", "invalid") or (need.accepts == "verified" and need.lane != "verified")
    yield from _wrapped([("          needs ", "dim")], text, width, 16, "yellow" if missing else "")


def _facts(found: Explanation, width: int) -> Iterator[Text]:
    for view in found.facts:
        if view.lane != "absent" or view.given:
            head = [(f"  {view.lane:10}", _LANES[view.lane]), (view.name, "bold")]
            yield from _wrapped(head, _given(view), width, 39)
    absent = [view.name for view in found.facts if view.lane == "absent" and not view.given]
    yield from _wrapped([("  absent", "dim")], ", ".join(absent), width, 12, "dim")
    if found.ignored:
        yield from _wrapped([("  not read", "dim")], ", ".join(found.ignored), width, 12, "dim")


def _given(view: FactView) -> str:
    same = list(view.given) == [view.name]
    parts = [_value(value) if same else f"{_value(value)} as {key}" for key, value in view.given.items()]
    parts += [f"{name} bound to the key" for name in view.known]
    text = ", ".join(parts)
    if view.lane == "absent":
        text += " (names nothing)"
    return f"{text} (they differ: the less favourable counts)" if view.conflict else text


def _value(value: Any) -> str:
    text = _plain(value)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


# -- rules that said nothing


def _quiet(found: Explanation, width: int) -> Iterator[Text]:
    return _rules(found.quiet, width)


def _off(found: Explanation, width: int) -> Iterator[Text]:
    return _rules(found.off, width)


def _not_asked(found: Explanation, width: int) -> Iterator[Text]:
    for family, group in groupby(found.not_asked, key=lambda rule: rule.family):
        codes = ", ".join(rule.code for rule in group)
        yield from _wrapped([(f"  {family}", "dim")], codes, width, 18)


def _rules(rules: Sequence[QuietRule], width: int) -> Iterator[Text]:
    for family, group in groupby(rules, key=lambda rule: rule.family):
        yield Text(f"  {family}", "dim")
        for rule in group:
            yield from _wrapped([(f"    {rule.code}", "")], rule.looks_at, width, 43, "dim")
