"""`stage0 explain`: what it shows is what was decided, and every span that it quotes really stands there."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner, Result

from stage0.cli.cases import read_cases
from stage0.cli.explained import page
from stage0.cli.main import cli
from stage0.cli.marked import Mark, marked
from stage0.core.decide import prepare
from stage0.core.explain import EVIDENCE, Explanation, explain
from stage0.core.pack import Pack
from stage0.core.rule import Rule
from stage0.policy import shipped_packs
from stage0.policy.suite import Case
from stage0.reading.request import Caller, RunState, State
from tests.asserting import if_any, nonempty
from tests.deciding import NOW, codes, decided, request_of

CORPUS: Final = Path(__file__).parents[1] / "corpus"
FILES: Final = {case.name: path for path in sorted(CORPUS.glob("*.json")) for case in read_cases(path)}
CASES: Final = [case for path in sorted(CORPUS.glob("*.json")) for case in read_cases(path)]
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
#: A Monday, 10:00 UTC, as `NOW`.
MONDAY: Final = "2026-03-16T10:00:00Z"
ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")


def _run(*arguments: str, stdin: bytes = b"", **environment: str) -> Result:
    plain = {"NO_COLOR": None, "FORCE_COLOR": None, "COLUMNS": None, **environment}
    result = CliRunner().invoke(cli, ["explain", *arguments], input=stdin, env=plain)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _shown(case: Case, *options: str) -> str:
    at = () if case.clock else ("--now", MONDAY)
    result = _run(str(FILES[case.name]), case.name, *at, *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def _explained(request: Mapping[str, Any], *options: str) -> Explanation:
    result = _run("-", "--json", "--now", MONDAY, *options, stdin=json.dumps(request).encode())
    assert result.exit_code == 0, result.stderr
    return msgspec.json.decode(result.stdout_bytes, type=Explanation)


def _page(request: Mapping[str, Any], *options: str) -> str:
    result = _run("-", "--now", MONDAY, *options, stdin=json.dumps(request).encode())
    assert result.exit_code == 0, result.stderr
    return result.stdout


# -- what is shown is what was decided


@each_case
def test_every_case_is_shown_with_its_verdict_first_and_every_code(case: Case, default_pack: Pack) -> None:
    shown = _shown(case)
    assert shown.startswith(case.expect.verdict)
    now = datetime.fromisoformat(case.clock).timestamp() if case.clock else NOW
    decision = decided(case.request, default_pack, now=now)
    fired = set(re.findall(r"^  (?:HIGH|MEDIUM|LOW) +([A-Z_]+)", shown, re.MULTILINE))
    assert fired == codes(decision)
    for effect in if_any(decision.effects):
        assert re.search(rf"^  {effect}\b", shown, re.MULTILINE)


@each_case
def test_the_json_holds_the_whole_explanation(case: Case) -> None:
    shown = _shown(case, "--json")
    found = msgspec.json.decode(shown, type=Explanation)
    assert json.loads(msgspec.json.encode(found)) == json.loads(shown)
    assert found.verdict == case.expect.verdict
    assert set(if_any(case.expect.issue_codes)) <= {rule.code for rule in found.fired}


@each_case
def test_every_rule_of_the_pack_is_accounted_for_once(case: Case, default_pack: Pack) -> None:
    found = msgspec.json.decode(_shown(case, "--json"), type=Explanation)
    named = [rule.code for rules in (found.fired, found.quiet, found.not_asked, found.off) for rule in rules]
    assert sorted(named) == [rule.code for rule in default_pack.rules]
    kinds = {view.kind for view in found.constraints}
    assert all(kinds.isdisjoint(rule.wants) for rule in nonempty(found.not_asked))


# -- every quoted span is the request's text at that path


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]")


def _assert_quoted(found: Explanation, request: Mapping[str, Any], default_pack: Pack) -> None:
    texts = dict(_strings(request, ""))
    decision = decided(dict(request), default_pack)
    seen = {effect for quote in found.quotes for says in quote.says for effect in says.effects}
    assert seen == set(decision.effects)
    for quote in nonempty(found.quotes):
        assert quote.text in (texts[quote.path], texts[quote.path].strip())
        for says in if_any(quote.says):
            assert 0 <= says.start < says.end <= len(quote.text)


@each_case
def test_every_quoted_span_of_a_case_stands_in_the_request_at_its_path(case: Case, default_pack: Pack) -> None:
    found = msgspec.json.decode(_shown(case, "--json"), type=Explanation)
    _assert_quoted(found, case.request, default_pack)
    silent = {quote.path for quote in found.quotes if not quote.says}
    assert all(quote.note for quote in if_any(quote for quote in found.quotes if not quote.says))
    for index in if_any(range(len(case.request.get("tools", ())))):
        assert f"tools[{index}]" in silent | {quote.path for quote in found.quotes}


def test_arguments_are_quoted_under_the_name_that_the_caller_gave_them(default_pack: Pack) -> None:
    request = {
        "goal": "Clean up",
        "tools": ["run_shell"],
        "context": {"arguments": {"steps": [{"command": "rm -rf /srv"}], "sql": "DELETE FROM users"}},
    }
    found = _explained(request)
    _assert_quoted(found, request, default_pack)
    assert {"context.arguments.steps[0].command", "context.arguments.sql"} <= {quote.path for quote in found.quotes}


def test_the_words_of_a_command_are_quoted_as_the_line_that_they_make() -> None:
    words = ["rm", "-rf", "/srv/My Data"]
    found = _explained({"goal": "Clean up", "tools": ["x"], "context": {"tool_arguments": {"cmd": words}}})
    [quote] = [quote for quote in found.quotes if quote.path == "context.tool_arguments.cmd"]
    assert quote.text == shlex.join(words)


def test_a_description_is_quoted_where_it_stands_behind_its_blanks() -> None:
    description = "   Deletes a user. Then more."
    found = _explained({"goal": "Go on", "tools": ["x"], "context": {"tool_description": description}})
    [quote] = [quote for quote in found.quotes if quote.source == "description"]
    assert quote.text == description
    assert "Deletes".startswith(quote.text[quote.says[0].start : quote.says[0].end])


def test_an_argument_that_no_parser_reads_is_said_to_be_unread() -> None:
    request = {"goal": "Clean up", "tools": ["x"], "context": {"tool_arguments": {"sql": "DELETE FORM ((("}}}
    [quote] = [quote for quote in _explained(request).quotes if quote.source == "arguments"]
    assert (quote.path, quote.note) == ("context.tool_arguments.sql", "could not be read")
    assert quote.text == "DELETE FORM ((("
    assert "could not be read" in _page(request)


def test_each_environment_says_who_names_it(default_pack: Pack) -> None:
    request = {"goal": "List the files in production", "context": {"environment": "eu-prod1", "x": {"prod": 1}}}
    found = _explained(request)
    named = {view.environment: view.paths for view in found.environments}
    assert named == {
        "production": ("goal", "context.environment", "context.x (key)"),
        "eu-prod1": ("context.environment",),
    }
    assert found.production
    bound = _explain(default_pack, State(Caller("acc", environments=("staging",))))
    assert [(view.environment, view.paths) for view in bound.environments] == [("staging", ())]


# -- the page


def _columns(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _marked_pieces(shown: str) -> Iterator[tuple[str, str]]:
    """Each row of carets as the text above it and what it says. A text row is the last row without carets."""
    above = ""
    for line in nonempty(shown.splitlines()):
        carets = re.match(r"( +(?:[a-z_, ]+ )?)(\^+)(?: (.*))?$", line)
        if carets is None:
            above = line
            continue
        start, end = len(carets[1]), len(carets[1]) + len(carets[2])
        piece = "".join(c for at, c in enumerate(above) if start <= _columns(above[:at]) < end)
        assert _columns(piece) == len(carets[2]), f"carets are not below whole characters: {line!r}"
        yield piece, carets[3] or carets[1].strip()


@each_case
@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_carets_stand_below_what_they_mark_whatever_the_script(case: Case, width: int) -> None:
    found = msgspec.json.decode(_shown(case, "--json"), type=Explanation)
    lines = [line.plain for line in page(found, width)]
    assert max(map(_columns, lines)) <= width
    assert all(line == line.rstrip() for line in nonempty(lines))
    drawn = list(_marked_pieces("\n".join(lines)))
    for quote in nonempty(found.quotes):
        for says in if_any(quote.says):
            assert (quote.text[says.start : says.end], ", ".join(says.effects)) in drawn


def test_a_text_over_several_lines_is_marked_on_each_and_named_where_it_ends() -> None:
    text = "aaaa bbbb cccc"
    rows = marked(text, [Mark(5, 14, "delete")], width=10)
    assert [(row.text, row.column, row.label) for row in rows] == [
        ("aaaa bbbb", 0, None),
        ("^^^^", 5, ""),
        ("cccc", 0, None),
        ("^^^^", 0, "delete"),
    ]


def test_of_a_long_text_the_lines_with_marks_are_shown() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    rows = marked(text, [Mark(text.index("line 50"), text.index("line 50") + 7, "read")], width=80)
    assert [row.text for row in rows] == ["…", "line 50", "^^^^^^^", "…"]


def test_of_very_many_marks_the_rest_is_counted() -> None:
    rows = marked("x " * 50, [Mark(at, at + 1, "read") for at in range(0, 100, 2)], width=40)
    assert rows[-1].text.startswith("… and 34 more places")


def test_a_mark_over_the_whole_of_many_lines_is_said_and_all_of_them_are_shown() -> None:
    text = "SELECT 1;\nSELECT 2;\nDELETE FROM users"
    rows = marked(text, [Mark(0, len(text), "delete")], width=80)
    assert [row.text for row in rows] == [*text.split("\n"), "^^^ all of it:"]
    assert rows[-1].label == "delete"


def test_what_a_terminal_would_obey_or_hide_stands_as_its_code_point() -> None:
    shown = _page(
        {"goal": "Dele\u200bte all rows \x1b[2J\u202e\r of it", "tools": ["x\x1b]0;"], "context": {"a\x07": 1}}
    )
    assert not {"\x1b", "\x07", "\r", "\u200b", "\u202e"} & set(shown)
    for written in ("<U+200B>", "<U+001B>[2J", "<U+202E>", "<U+000D>", "<U+0007>"):
        assert written in shown
    assert "hidden" in shown


def test_with_and_without_colour_the_words_are_the_same() -> None:
    case = CASES[1]
    at = (str(FILES[case.name]), case.name, "--now", MONDAY)
    coloured = _run(*at, FORCE_COLOR="1", COLUMNS="100", TERM="xterm-256color").stdout
    assert ESCAPES.search(coloured)
    plain = _run(*at).stdout
    assert not ESCAPES.search(plain)
    assert ESCAPES.sub("", coloured) == plain
    bare = _run(*at, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="100", TERM="xterm-256color").stdout
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", bare)


def test_a_terminal_decides_the_width_between_80_and_120_columns() -> None:
    at = (str(FILES["langgraph_sample_delete"]), "langgraph_sample_delete", "--now", MONDAY)
    widths = {}
    for columns in ("40", "90", "300"):
        shown = ESCAPES.sub("", _run(*at, FORCE_COLOR="1", COLUMNS=columns, TERM="xterm").stdout)
        widths[columns] = max(map(_columns, shown.splitlines()))
    assert widths["40"] <= 80
    assert 80 < widths["90"] <= 90
    assert 90 < widths["300"] <= 120


# -- constraints and facts


def test_each_constraint_says_what_became_of_it() -> None:
    texts = {
        "max_iterations:3": "applies",
        "max_iterations:5": "outdone",
        "approval required for payments": "untouched",
        "require_mfa: false": "switched off",
        "timeout:soon": "value unreadable",
        "be nice": "not understood",
        "allowed_tools: a, b": "applies",
    }
    request = {"goal": "Delete all users", "tools": ["delete_users"], "constraints": list(texts)}
    found = _explained({**request, "context": {"current_iteration": 2}})
    assert {view.text: view.standing for view in found.constraints} == texts
    needs = {view.text: [(need.one_of, need.lane) for need in view.needs] for view in found.constraints}
    assert needs["max_iterations:3"] == [(("current_iteration",), "asserted")]
    assert needs["approval required for payments"] == [(("approval_status", "approved"), "absent")]
    shown = _page(request)
    for words in ("not understood: nothing here enforces it", "switched off: no control", "current_iteration (absent)"):
        assert words in shown


def test_the_strict_pack_says_which_evidence_it_does_not_take() -> None:
    request = {
        "goal": "Delete all users",
        "tools": ["delete_users"],
        "constraints": ["role:admin"],
        "context": {"actor_role": "admin"},
    }
    assert "takes it verified alone" in _page(request, "--pack", "stage0-strict")
    assert "takes it verified alone" not in _page(request)


def test_every_kind_of_constraint_is_known_to_need_evidence_or_none() -> None:
    kinds = shipped_packs()["stage0-default"].knowledge.grammar.kinds
    assert set(nonempty(EVIDENCE)) <= kinds.keys()
    without = {kind for name, kind in kinds.items() if name not in EVIDENCE}
    assert {kind.family for kind in nonempty(without)} <= {"mode", "output", "change_control"}
    assert {kind.name for kind in without if kind.family == "change_control"} == {"change_window"}


def test_each_fact_has_its_lane() -> None:
    context = {
        "approved": "yes",
        "approved_by": "TBD",
        "environment": "dev",
        "target_environment": "test",
        "loop_state": {"retry_count": 1},
        "colour": "red",
    }
    found = _explained({"goal": "List the files", "tools": ["list_files"], "context": context})
    facts = {view.name: view for view in found.facts}
    assert (facts["approved"].lane, facts["approved"].given) == ("invalid", {"approved": "yes"})
    assert (facts["approved_by"].lane, facts["approved_by"].given) == ("absent", {"approved_by": "TBD"})
    assert (facts["environment"].lane, facts["environment"].conflict) == ("asserted", True)
    assert facts["retry_count"].given == {"loop_state.retry_count": 1}
    assert facts["run_id"].lane == "absent"
    assert found.ignored == ("colour",)


def test_what_the_server_knows_by_itself_is_verified(default_pack: Pack) -> None:
    caller = Caller("acc", roles=("admin",), environments=("staging",))
    found = _explain(default_pack, State(caller, RunState()), goal="List the files")
    facts = {view.name: view for view in found.facts}
    assert (facts["actor_role"].lane, facts["actor_role"].known) == ("verified", ("admin",))
    assert (facts["environment"].lane, facts["environment"].known) == ("verified", ("staging",))
    assert "admin bound to the key" in "\n".join(line.plain for line in page(found, 100))


def _explain(pack: Pack, state: State, **fields: Any) -> Explanation:
    prepared = prepare(request_of(**fields), pack.knowledge, _fingerprint)
    return explain(prepared, pack=pack, state=state, now=NOW, fingerprint=_fingerprint)


def _fingerprint(secret: str) -> str:
    return f"{len(secret):08}"


# -- rules


def test_a_rule_that_the_pack_has_off_is_listed_as_such(default_pack: Pack) -> None:
    severities = {**default_pack.severities, "MISSING_SUCCESS_CRITERIA": "off"}
    found = _explain(msgspec.structs.replace(default_pack, severities=severities), State(Caller("acc")))
    assert [rule.code for rule in found.off] == ["MISSING_SUCCESS_CRITERIA"]
    assert "has off (1)" in "\n".join(line.plain for line in page(found, 100))


def test_a_rule_that_fails_is_shown_as_what_stopped_the_action(default_pack: Pack) -> None:
    def fails(_: object) -> None:
        raise RuntimeError

    def broken(rule: Rule) -> Rule:
        return msgspec.structs.replace(rule, check=fails) if rule.code == "HIDDEN_TEXT" else rule

    pack = msgspec.structs.replace(default_pack, rules=tuple(map(broken, default_pack.rules)))
    found = _explain(pack, State(Caller("acc")), success_criteria=["done"])
    assert (found.verdict, found.decision) == ("DEFER", "ERROR")
    assert [rule.code for rule in found.fired] == ["INTERNAL_ERROR"]


# -- secrets

SECRET: Final = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def test_a_secret_is_never_shown() -> None:
    request = {"goal": f"Delete the token {SECRET}", "tools": ["x"], "context": {"note": SECRET}}
    for options in ((), ("--json",)):
        shown = _page(request, *options)
        assert SECRET not in shown
        assert "[[S0:gh:" in shown


def test_a_secret_that_had_to_be_read_is_not_shown_either() -> None:
    """What looks like a secret and says something is decided on as it was sent."""
    request = {
        "goal": f"Go on with {SECRET}",
        "tools": [f"delete_users.{SECRET}"],
        "context": {"approved_by": SECRET, "tool_arguments": {"command": f"rm -rf /srv {SECRET}"}},
        "constraints": [f"role:{SECRET}"],
    }
    found = _explained(request)
    assert not found.exact
    for options in ((), ("--json",)):
        assert SECRET not in _page(request, *options)
    assert "decided as sent" in _page(request)
    assert "delete" in {view.effect for view in found.effects}


# -- bad input

REQUEST: Final = b'{"goal": "List the open tickets", "tools": ["search_tickets"]}'
SAMPLES: Final = str(CORPUS / "samples.json")
BAD: Final[dict[str, tuple[tuple[str, ...], bytes, str]]] = {
    "not JSON": (("-",), b"goal", "not JSON"),
    "nothing": (("-",), b"", "empty"),
    "not UTF-8": (("-",), b"\xff\xfe", "UTF-8"),
    "no goal": (("-",), b'{"tools": []}', "`goal`"),
    "a key twice": (("-",), b'{"goal": "x", "goal": "y"}', "twice"),
    "nested too deep": (("-",), b'{"goal": "x", "context": ' + b'{"a":' * 40_000, "nested"),
    "a list on standard input": (("-",), b"[]", "from a file"),
    "no such file": (("no-such-file.json",), b"", "no-such-file.json"),
    "no such pack": (("-", "--pack", "mine"), REQUEST, "stage0-default"),
    "no time": (("-", "--now", "tomorrow"), REQUEST, "2026-03-16T10:00:00Z"),
    "a time without an offset": (("-", "--now", "2026-03-16T10:00:00"), REQUEST, "offset"),
    "a case that is not there": ((SAMPLES, "langgraph_delete"), b"", "did you mean `langgraph_sample_delete`"),
    "a case of another world": ((SAMPLES, "zzz"), b"", "it holds `quickstart_body`"),
    "cases without a name": ((SAMPLES,), b"", "name one of them"),
    "more than a server takes": (("-",), b'{"goal": "x", "context": {"a": "' + b"a" * 1_000_000 + b'"}}', "1,000,000"),
    "without an end": (("-",), b" " * 20_000_001, "standard input has more than"),
}


@pytest.mark.parametrize(("arguments", "stdin", "said"), BAD.values(), ids=BAD.keys())
def test_bad_input_ends_with_2_and_a_clear_error_and_prints_nothing(
    arguments: tuple[str, ...], stdin: bytes, said: str
) -> None:
    result = _run(*arguments, stdin=stdin)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr) < 1_000


@pytest.mark.parametrize("text", ["[1]", '[{"name": "x"}]', "[" * 100_000, "- name: [x\n", "[\udcff"])
def test_a_file_that_holds_no_cases_is_a_clear_error(text: str, tmp_path: Path) -> None:
    file = tmp_path / ("cases.yaml" if text.startswith("-") else "cases.json")
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = _run(str(file), "x")
    assert result.exit_code == 2
    assert file.name in result.stderr


def test_a_name_for_a_file_that_holds_one_request_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(REQUEST)
    assert _run(str(file)).stdout.startswith("ALLOW")
    result = _run(str(file), "x")
    assert result.exit_code == 2
    assert "leave `x` out" in result.stderr


def test_a_case_is_decided_at_its_clock_and_now_comes_before_it() -> None:
    open_at, name = _run(SAMPLES, "mcp_sample_out_of_hours", "--now", MONDAY), "mcp_sample_out_of_hours"
    assert "CHANGE_WINDOW_CLOSED" in _run(SAMPLES, name, "--json").stdout.partition('"quiet"')[0]
    assert "CHANGE_WINDOW_CLOSED" not in open_at.stdout.partition("stayed quiet")[0]


def test_the_largest_request_that_a_server_takes_is_explained() -> None:
    verbs = "Delete the invoice. " * 399
    fields = {"goal": verbs, "tools": [f"delete_{n}" for n in range(200)], "context": {"a": ["b" * 900] * 1000}}
    shown = _page(fields)
    assert shown.startswith("DENY")
    assert len(shown) < 20_000
