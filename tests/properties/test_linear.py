"""The work for a request grows with its length and no faster: whatever its lists and texts hold, and whichever grow
together. What is counted are lines of Python that run; time is measured by `bench/worst.py`."""

from __future__ import annotations

import gc
import sys
from functools import cache
from types import FrameType
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage0.core.decide import decide, prepare
from stage0.core.masking import mask
from stage0.core.pack import Pack
from stage0.reading.request import Caller, State
from stage0.wire import Invalid, answer, encode, parse, read_check
from tests.deciding import NOW
from tests.properties.growing import PARTS, body_of
from tests.strategies import PACKS

STATE: Final = State(Caller("acc_test"))
#: How much more twice the length may take. Twice as much, and some room for what grows in steps.
GROWTH: Final = 2.2


def work(body: bytes, pack: Pack) -> int:
    """How many lines of Python run from the bytes of a body to those of its answer."""
    for kept in _kept():
        kept.cache_clear()
    lines = 0

    def trace(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal lines
        lines += event != "return"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        whole_way(body, pack)
    finally:
        sys.settrace(before)
    return lines


@cache
def _kept() -> list[Any]:
    """What the core keeps of texts that it has read: a text that was met before would take no work."""
    kinds = type(_kept)
    everything = [each for each in gc.get_objects() if isinstance(each, kinds)]
    return [each for each in everything if each.__module__.startswith(("stage0.core.", "stage0.reading."))]


def whole_way(body: bytes, pack: Pack) -> bytes:
    """The answer to a body; what is refused gives none. All that it holds is masked as well."""
    try:
        mask(parse(body), _fingerprint)
        request = read_check(body)
    except Invalid:
        return b""
    ready = prepare(request, pack.knowledge, _fingerprint)
    decision = decide(ready.request, pack=pack, state=STATE, now=NOW, reading=ready.reading)
    return encode(answer(decision, "req_test", test_mode=False))


def _fingerprint(secret: str) -> str:
    return f"{len(secret):08x}"


def assert_linear(parts: list[str], pack: Pack) -> None:
    """Twice the length takes twice the work at most, over two doublings together: a step alone is no growth."""
    whole_way(body_of(parts, 2, 1), pack)
    counts = [work(body_of(parts, count, 4), pack) for count in (45, 90, 180)]
    assert counts[2] <= GROWTH**2 * counts[0], f"{parts}: {counts}"


@pytest.mark.parametrize("part", PARTS)
def test_work_grows_with_each_list_and_text_and_no_faster(part: str, default_pack: Pack) -> None:
    assert_linear([part], default_pack)


@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=2, max_size=4, unique=True))
@settings(deadline=None, max_examples=60)
def test_work_grows_with_lists_and_texts_that_grow_together_and_no_faster(parts: list[str]) -> None:
    assert_linear(parts, PACKS["stage0-default"])


#: Lists that rules compare with one another.
COMPARED: Final = (
    (".target_resources: r/a", ".resource_scope: r/a"),
    (".target_resources: r/a", ".resource_scope: ../é"),
    (".target_resources: ../é", ".resource_scope: ../é"),
    (".target_resources: r/a", "resource_scope: r, _constraint"),
    (".target_resources: r/a", "resource_scope: r/*, all"),
    (".target_resources: r/a", "resource_scope: r/a, _listed", ".resource_scope: r/a"),
    (".active_mcp_servers: r/a", "allowed_mcp_servers: r/a, _constraint"),
    (".active_mcp_servers: r/a", "allowed_mcp_servers: r/a, _listed"),
    ("tools: read", "allowed_tools: r/a, _constraint"),
    ("tools: read", "allowed_tools: r/a, _listed"),
    (".approved_by: ann, ", ".requested_by: ann, ", ".agent_name: ann, "),
    (".actor_role: ann, ", "role: r/a, _constraint"),
    (".environment: ann, ", "allowed_environment: r/a, _constraint"),
)


@pytest.mark.parametrize("parts", COMPARED, ids=" with ".join)
def test_work_grows_with_lists_that_are_compared_and_no_faster(parts: tuple[str, ...], default_pack: Pack) -> None:
    assert_linear(list(parts), default_pack)
