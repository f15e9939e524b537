"""Whatever is sent, it is decided: no text, name or shape of arguments makes the reading fail."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from stage0.policy import shipped_packs
from stage0.reading.interpret import interpret
from stage0.reading.request import ActionRequest

KNOWLEDGE: Final = shipped_packs()["stage0-default"].knowledge


def _words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split(" "))


#: Names that have a reader of their own, and some that have none.
_NAMES: Final = _words(
    "command args code python sql query statement url method path body headers operation to subject message amount"
    " currency recipient account file content filter limit ids rows pipeline task tool function expression status"
    " deleted acl selector params data request script text name note side symbol qty regex schedule"
)
#: Pieces that mean something to one of the readers, so that what they make is nearly well formed.
_PIECES: Final = _words(
    "; | & && || $( ) ( { } [ ] ` ' \" \\ < > >> << # ? = : :// / // .. * % @ ! ~ -- - , . \n \t \x00 \u200b"
    " rm -rf ls cat echo $HOME ${X} EOF sudo xargs npx git psql -c SELECT FROM WHERE DELETE UNION DROP TABLE users"
    " 1=1 NULL query mutation fragment on deleteUser db. .find( .drop() $where $out http https file data: x.test"
    " _method=delete POST GET import os eval( lambda def f(): class @x DO $$ /* */ 刪除 削除 Zm9v %64 \\x64 &#100;"
    " user@x.test 4111111111111111 true null 12.5 1e9 -0 \U0001f600 \ud7ff ﷽ ｄ"
)
_TEXTS: Final = st.lists(_PIECES | st.text(max_size=4), max_size=12).map("".join) | st.lists(_PIECES, max_size=12).map(
    " ".join
)
_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | _TEXTS, inner, max_size=4),
    max_leaves=8,
)
_TOOLS: Final = st.sampled_from(
    ("bash", "run_query", "http_request", "graphql", "git", "run_task", "click", "get_user", "python", "send_email")
)


_ARGUMENTS: Final = st.dictionaries(_NAMES, _TEXTS, min_size=1, max_size=2) | st.dictionaries(
    _NAMES | _TEXTS, _VALUES, max_size=4
)


@given(_ARGUMENTS, _TOOLS | _TEXTS)
def test_any_arguments_of_any_tool_are_read(arguments: dict[str, Any], tool: str) -> None:
    request = ActionRequest(goal="Do it", tools=(tool,), context={"tool_arguments": arguments})
    assert interpret(request, KNOWLEDGE).effects


@given(_TEXTS, _TEXTS, _TEXTS, _TEXTS)
def test_any_texts_are_read(goal: str, tool: str, side_effect: str, constraint: str) -> None:
    request = ActionRequest(goal=goal, tools=(tool,), side_effects=(side_effect,), constraints=(constraint,))
    assert interpret(request, KNOWLEDGE).effects
