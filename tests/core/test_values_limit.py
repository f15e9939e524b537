"""A body of more than 50,000 values is refused before any of them is made; what stands in a text begins none."""

from __future__ import annotations

import json
from typing import Final

import pytest

from stage0.wire import VALUES_LIMIT, Invalid, parse

#: One value beside the list's own.
OVER: Final = VALUES_LIMIT + 1

MANY: Final = {
    "numbers": b'{"a": [' + b"1," * OVER + b"1]}",
    "empty lists": b'{"a": [' + b"[]," * OVER + b"[]]}",
    "empty objects": b'{"a": [' + b"{}," * OVER + b"{}]}",
    "keys": json.dumps({str(number): 1 for number in range(OVER + 1)}).encode(),
    "texts": json.dumps(['\\"['] * (OVER + 1)).encode(),
    "what is no JSON": b"[" * OVER,
}


@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
def test_more_values_than_are_read_are_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match=f"more than {VALUES_LIMIT:,} values"):
        parse(body)


@pytest.mark.parametrize(
    "text", ["," * 100_000, "[{" * 50_000, '\\",[' * 30_000, "\\\\" * 20_000 + ",[" * 40_000], ids=range(4)
)
def test_a_text_with_as_many_marks_is_one_value(text: str) -> None:
    sent = {"goal": "List the notes", "context": {"note": text}}
    assert parse(json.dumps(sent).encode()) == sent


def test_as_many_as_are_read_are_read() -> None:
    numbers = [1] * (VALUES_LIMIT - 2)
    assert parse(json.dumps({"a": numbers}).encode()) == {"a": numbers}
