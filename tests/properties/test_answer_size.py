"""An answer is short whatever was sent, and a record has no more than its request and its answer."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.worst import WORST
from stage0.core.decide import decide, prepare
from stage0.core.pack import Pack
from stage0.ledger.records import RECORD_VERSION, Record, encode_record
from stage0.reading.limits import most
from stage0.reading.request import Caller, State
from stage0.wire import Invalid, answer, encode, read_check
from tests.deciding import NOW
from tests.layering import pack_with
from tests.properties.growing import PARTS, body_of
from tests.strategies import PACKS

STATE: Final = State(Caller("acc_test", roles=("a", "b"), environments=("dev", "test")))
#: Bytes of a record beside its request and its answer.
BESIDE: Final = 1_000


def assert_short(body: bytes, pack: Pack) -> None:
    """Whatever a body that is not refused is answered with has its limit, and so has its record."""
    try:
        request = read_check(body)
    except Invalid:
        return
    ready = prepare(request, pack.knowledge, lambda secret: f"{len(secret):08x}")
    decision = decide(ready.request, pack=pack, state=STATE, now=NOW, reading=ready.reading)
    whole = encode(answer(decision, "req_test", test_mode=False))
    assert len(whole) <= most("answer")
    record = Record(RECORD_VERSION, ready.stored, STATE, NOW, pack.id, pack.digest, "1", "1", msgspec.Raw(whole))
    assert len(encode_record(record)) <= len(_plain(ready.stored)) + len(whole) + BESIDE


def _plain(request: Any) -> bytes:
    try:
        return encode(request)
    except OverflowError:
        return json.dumps(msgspec.to_builtins(request), ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("part", PARTS)
def test_an_answer_to_long_lists_and_texts_is_short(part: str) -> None:
    assert_short(body_of([part], 1_000, 2), PACKS["stage0-default"])
    assert_short(body_of([part], 200, 8), PACKS["stage0-strict"])


@given(
    st.lists(st.sampled_from(sorted(PARTS)), min_size=2, max_size=8, unique=True),
    st.sampled_from(("stage0-default", "stage0-strict")),
)
@settings(deadline=None, max_examples=60)
def test_an_answer_to_many_of_them_is_short(parts: list[str], pack: str) -> None:
    assert_short(body_of(parts, 900, 2), PACKS[pack])


SMALL_ENOUGH: Final = [name for name, body in WORST.items() if len(body) < 150_000]


@pytest.mark.parametrize("name", SMALL_ENOUGH)
def test_an_answer_to_the_worst_bodies_is_short(name: str, default_pack: Pack) -> None:
    assert_short(WORST[name], default_pack)


#: Every constraint that a rule compares with something, and what goes against it.
CONTROLS: Final = (
    *("resource_scope", "allowed_mcp_servers", "allowed_channels", "allowed_tools", "role", "allowed_environment"),
    *("max_iterations", "timeout", "max_cost_usd", "change_window", "approvers", "max_records", "require_ticket"),
)
TEXTS: Final = (
    *("actor_role", "user_role", "requester_role", "environment", "target_environment", "approved_by", "requested_by"),
    *("request_channel", "tenant_id", "agent_name", "agent_id", "current_tool"),
)
LISTS: Final = ("target_resources", "active_mcp_servers", "target_tenants", "recent_tools", "repeated_tools")


@given(
    st.sampled_from(("a", "é", "\u0001", "\U0001f600", '"', "删", "`{}`")),
    st.integers(1, 2_000),
    st.integers(1, 40),
    st.sampled_from(("stage0-default", "stage0-strict")),
    st.sampled_from(("List the tickets", "Delete all users in production and pay the invoice", "Look at it")),
)
@settings(deadline=None, max_examples=60)
def test_an_answer_that_finds_everything_wrong_is_short(sign: str, size: int, count: int, pack: str, goal: str) -> None:
    """Every list and text in it is of one sign, which may take six bytes."""
    text = sign * (size // len(sign) or 1)
    names = [f"{text[:-4]}{number:04}"[-2_000:] for number in range(count)]
    kinds = [f"{kind}:{text}"[:1_990] + f",{number}" for number, kind in enumerate(CONTROLS)]
    body = {
        "goal": goal,
        "tools": names[:200],
        "side_effects": names[:200],
        "constraints": [*kinds, "tenant_isolation", "read-only", "no external side effects", *names[:150]],
        "context": {
            **{key: f"{text * 8}{key}"[:8_000] for key in TEXTS},
            **dict.fromkeys(LISTS, names[:1_000]),
            "approval_status": "approved",
            "tool_arguments": {"command": text * 4, "sql": text * 4, **dict.fromkeys((f"k{text[:200]}",), names)},
        },
    }
    assert_short(json.dumps(body, ensure_ascii=False).encode(), PACKS[pack])


def test_an_answer_of_a_pack_that_repeats_the_context_is_short() -> None:
    rules = "".join(
        f"""\
  NOTED_{number}:
    severity: medium
    when: size(context) != {100 + number}
    message: "It is {{context}}, {{arguments}}, {{tools}}, {{goal}}, {{targets}}."
    question: "What is {{context}}, {{tools}}, {{targets}}?"
    why: To see what is repeated.
    remedy: Send less of {{goal}}.
"""
        for number in range(20)
    )
    pack = pack_with(f"rules:\n{rules}")
    for part in PARTS:
        assert_short(body_of([part, "tools: read", ".target_resources: r/a", "goal: 删"], 190, 4), pack)
