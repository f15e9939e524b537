"""The speed table: its shapes are what they say, all of them can be decided on, and growth is told from noise."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from bench.shapes import ADVERSARIAL, PROSE, SHAPES, Shape
from stage0.core.decide import decide, prepare
from stage0.core.pack import Pack
from stage0.reading.request import Caller, State
from stage0.server.logs import quiet_parsers
from stage0.wire import Invalid, read_check
from tests.asserting import nonempty
from tests.deciding import NOW, codes

ROOT: Final = Path(__file__).parents[2]
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@each_shape
@pytest.mark.parametrize("size", [1_000, 4_000, 100_000])
def test_a_shape_is_about_as_long_as_it_is_asked_for_and_never_the_same(shape: Shape, size: int) -> None:
    body, other = shape(size, "one"), shape(size, "two")
    assert body != other
    texts = json.loads(body)
    assert 0.4 * size < len(json.dumps(texts, ensure_ascii=False).encode()) < 2.5 * size + 500


@each_shape
@pytest.mark.parametrize("size", [1_000, 8_000, 70_000])
def test_every_shape_is_refused_or_decided_on_without_a_failure(shape: Shape, size: int, default_pack: Pack) -> None:
    quiet_parsers()
    try:
        request = read_check(shape(size, "one"))
    except Invalid:
        return
    prepared = prepare(request, default_pack.knowledge, lambda secret: f"{len(secret):08x}")
    decision = decide(
        prepared.request, pack=default_pack, state=State(Caller("acc")), now=NOW, reading=prepared.reading
    )
    assert "INTERNAL_ERROR" not in codes(decision)


def test_no_shape_has_two_names() -> None:
    assert len(SHAPES) == len(PROSE) + len(ADVERSARIAL)


def test_the_table_has_a_line_for_each_length_and_says_what_is_refused() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.reading", "--quick", "(((( in a goal"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ran.stdout[ran.stdout.index("shape,kb,") :].splitlines()
    *rows, last = lines
    table = list(csv.DictReader(rows))
    assert [(row["kb"], row["outcome"]) for row in table] == [
        ("1", "read"),
        ("4", "read"),
        ("16", "refused"),
        ("64", "refused"),
    ]
    assert table[0]["ratio_to_first"] == "1.00"
    assert all(float(row["total_ms"]) >= 0 for row in nonempty(table))
    assert last.startswith("more than linear:")


POWERS: Final = """
import sys
from bench.reading import Point, Times, power
def points(time, outcome=lambda kb: "read"):
    return [Point("x", kb, Times(0.0, time(kb), 0.0, outcome(kb)), 1.0, None) for kb in (1, 2, 4, 8, 16, 32)]
print(power(points(lambda kb: 0.001 * kb)))
print(power(points(lambda kb: 0.001 * kb * kb)))
print(power(points(lambda kb: 0.001 * kb if kb < 8 else 0.00001 * kb ** 3)))
print(power(points(lambda kb: 0.00000001 * kb * kb)))
print(power(points(lambda kb: 0.001 * kb * kb, lambda kb: "read" if kb % 3 else "unread")[:1]))
"""


def test_growth_is_told_by_its_power_where_it_is_fastest_and_where_it_takes_time() -> None:
    ran = subprocess.run([sys.executable, "-c", POWERS], cwd=ROOT, capture_output=True, text=True, check=True)
    linear, quadratic, later, noise, few = ran.stdout.split()
    assert float(linear) == pytest.approx(1.0)
    assert float(quadratic) == pytest.approx(2.0)
    assert float(later) > 1.3
    assert noise == "None"
    assert few == "None"
