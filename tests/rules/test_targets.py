"""What lies in a scope is found without comparing every target with every name, and is just what comparing finds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stage0.rules.scope import _Targets


def within(target: str, scope: str) -> bool:
    """The definition, for one target and one name."""
    stem = scope.removesuffix("*")
    if scope == "*":
        return True
    if not any(map(str.isalnum, stem)):
        return target == scope
    if "%" in target or ".." in re.split(r"[/\\]", target):
        return target == scope
    if scope.endswith("*"):
        return target.startswith(stem) and stem[-1] in "/.:"
    stem = stem.rstrip("/")
    return target == stem or target.startswith(f"{stem}/")


PARTS = st.sampled_from(
    ["a", "b", "ab", "é", "/", "//", ".", "..", ":", "*", "%", "\\", "0", "~", " ", "", "\U0010ffff"]
)
NAMES = st.lists(PARTS, max_size=5).map("".join)


@given(st.lists(NAMES, max_size=12), st.lists(NAMES, max_size=8))
def test_the_targets_outside_are_those_that_lie_in_no_name(targets: Sequence[str], scope: Sequence[str]) -> None:
    wanted = tuple(target for target in targets if not any(within(target, name) for name in scope))
    assert _Targets(targets).outside(scope) == wanted


@given(st.lists(NAMES, max_size=12), st.data())
def test_a_scope_that_begins_as_the_targets_do_holds_them(targets: Sequence[str], data: st.DataObject) -> None:
    """Names that are cut from targets: most scopes that are drawn at random hold nothing."""
    scope = [
        target[: data.draw(st.integers(0, len(target)))] + data.draw(st.sampled_from(["", "*", "/"]))
        for target in targets
    ]
    wanted = tuple(target for target in targets if not any(within(target, name) for name in scope))
    assert _Targets(targets).outside(scope) == wanted
