"""Identifiers sort by time, tell it, and never repeat."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.ledger.ids import new_id, time_of

#: From 1970 to the end of 48 bits of milliseconds.
moments = st.floats(min_value=0, max_value=(2**48 - 1) / 1000, allow_nan=False)


def test_an_id_is_its_prefix_and_26_digits_of_base_32() -> None:
    assert re.fullmatch(r"req_[0-9a-hjkmnp-tv-z]{26}", new_id("req", 1_767_225_600.5))


@given(st.lists(moments, min_size=2, max_size=20))
def test_later_ids_sort_after_earlier_ones(times: list[float]) -> None:
    found = [(new_id("req", at), int(at * 1000)) for at in times]
    for one, at in found:
        for other, later in found:
            if at < later:
                assert one < other


@given(moments)
def test_an_id_tells_its_millisecond(at: float) -> None:
    assert int(time_of(new_id("evt", at)) * 1000 + 0.5) == int(at * 1000)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id("req", 1.0) for _ in range(100_000)}) == 100_000


def test_ids_made_after_a_fork_differ_from_those_of_the_parent() -> None:
    new_id("req", 1.0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "".join(new_id("req", 1.0) for _ in range(50)).encode())
        os._exit(0)
    mine = {new_id("req", 1.0) for _ in range(50)}
    os.close(writer)
    with os.fdopen(reader, encoding="ascii") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    its = {text[at : at + 30] for at in range(0, len(text), 30)}
    assert len(its) == 50
    assert not mine & its


@pytest.mark.parametrize(
    "text", ["", "req", "req_", "req_123", f"req_{'u' * 26}", f"req_{'0' * 27}", f"req_{'A' * 26}"]
)
def test_what_is_no_id_has_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        time_of(text)
