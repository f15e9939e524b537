"""What is asserted of each of some things says nothing where there are none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def nonempty(items: Iterable[T]) -> list[T]:
    """The items. Fails where there are none, since whatever is said of each would hold."""
    found = list(items)
    assert found, "there is nothing that this could be asserted of"
    return found


def if_any(items: Iterable[T]) -> list[T]:
    """The items, of which this case may have none by right: other cases of the same test have some."""
    return list(items)
