"""Secrets change no decision, and are not stored."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stage0.core.decide import decide, prepare
from stage0.core.verdict import Decision
from stage0.policy import shipped_packs
from stage0.reading.request import State
from tests.deciding import codes, request_of
from tests.properties.promises import LISTS, told
from tests.strategies import (
    PACKS,
    Situation,
    situations,
)

_SECRETS: Final = (
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-delete-all-users",
    "sk-delete-all-the-users-in-production",
    "password=hunter2hunter2",
    "token=../../../etc/shadow",
    "secret=production",
    "api_key=DROP/TABLE/users",
    "https://root:deleteprod@db.prod.internal/drop",
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
)
_secrets: Final = st.sampled_from(_SECRETS)


def _fingerprint(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()[:8]


@st.composite
def _with_secrets(draw: st.DrawFn) -> Situation:
    """A situation with secrets in its texts: by themselves, at an end, or in the middle."""
    case = draw(situations())

    def put(text: str) -> str:
        secret = draw(_secrets)
        return draw(st.sampled_from((secret, f"{text} {secret}", f"{secret} {text}", f"{text}/{secret}/x")))

    place = draw(st.sampled_from(("goal", *LISTS, "call", "context", "scope", "tools", "role", "approval")))
    if place == "goal":
        return case.sending(goal=put(case.fields["goal"]))
    if place == "tools":
        tool = put("list_tickets")
        return case.adding("tools", tool).adding(
            "constraints", f"allowed_tools:{tool},{','.join(case.fields['tools'])}"
        )
    if place in LISTS:
        items = case.fields[place] or ["list"]
        return case.sending(**{place: [put(items[0]), *items[1:]]})
    if place == "call":
        return case.saying({"tool_arguments": {draw(st.sampled_from(("sql", "command", "note"))): put("SELECT 1")}})
    if place == "scope":
        scope = draw(st.sampled_from(("repo", put("repo"))))
        return case.saying({"resource_scope": scope, "target_resources": [put(scope), draw(_secrets)]})
    if place == "role":
        role = put("sre")
        return case.saying({"actor_role": role}).adding("constraints", f"required_role:{role}")
    if place == "approval":
        own = draw(st.sampled_from(("dana", put("dana"))))
        return case.saying({"approval_status": "approved", "approved_by": put("dana"), "requested_by": own})
    texts = sorted(name for name, value in case.context.items() if isinstance(value, str))
    assume(texts)
    name = draw(st.sampled_from(texts))
    return case.saying({name: put(case.context[name])})


def _as_prepared(case: Situation) -> Decision:
    pack, state = PACKS[case.pack], State(case.caller, case.run)
    prepared = prepare(request_of(**case.fields), pack.knowledge, _fingerprint)
    return decide(prepared.request, pack=pack, state=state, now=case.now, reading=prepared.reading)


def _same_as_sent(case: Situation) -> None:
    prepared, sent = _as_prepared(case), case.decide()
    assert (prepared.verdict, codes(prepared)) == (sent.verdict, codes(sent)), f"{told(sent)} became {told(prepared)}"


@given(_with_secrets())
def test_secrets_change_neither_verdict_nor_codes(case: Situation) -> None:
    _same_as_sent(case)


_TOKEN: Final = "sk-aaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.mark.parametrize(
    "fields",
    [
        {"context": {"resource_scope": ["repo"], "target_resources": ["repo/token=aaa/../../../etc/shadow"]}},
        {"context": {"resource_scope": ["repo/token=abcdef"], "target_resources": ["repo/token=abcdef/src"]}},
        {"tools": [_TOKEN], "constraints": [f"allowed_tools:{_TOKEN}"]},
        {"constraints": [f"allowed_tools:{_TOKEN}"], "context": {"current_tool": _TOKEN}},
        {
            "constraints": ["approval required"],
            "context": {"approved": True, "approved_by": "token=Hunter22", "requested_by": "token=hunter22"},
        },
        {"constraints": [f"role:{_TOKEN}"], "context": {"actor_role": _TOKEN}},
        {"context": {"recent_tools": [f"a {_TOKEN}"] * 3}},
        {"context": {"approved_by": "password=tbdtbd", "approval_status": "token=approved"}},
    ],
)
def test_a_fact_that_looks_like_a_secret_still_counts(fields: dict[str, Any]) -> None:
    _same_as_sent(Situation({"goal": "List the open tickets", **fields}))


@given(_with_secrets())
def test_what_is_stored_exactly_decides_the_same_again(case: Situation) -> None:
    pack, state = PACKS[case.pack], State(case.caller, case.run)
    prepared = prepare(request_of(**case.fields), pack.knowledge, _fingerprint)
    assert not any(secret in json.dumps(msgspec.to_builtins(prepared.stored)) for secret in _SECRETS[:4])
    first = decide(prepared.request, pack=pack, state=state, now=case.now, reading=prepared.reading)
    if prepared.exact:
        assert decide(prepared.stored, pack=pack, state=state, now=case.now) == first


@pytest.mark.parametrize("digits", ["e1e2e3e4", "1a2e3d4e", "7b03e258", "d6d19e5b", "deadbeef", "0e0a0d0e"])
def test_what_a_placeholder_is_made_of_says_nothing(digits: str) -> None:
    request = request_of(goal=f"Upload with {_SECRETS[0]} and {_SECRETS[4]}", tools=["upload"])
    known = shipped_packs()["stage0-default"].knowledge
    assert prepare(request, known, lambda _: digits).exact
