"""How long the stateful tests go on: a derandomised part in `make test`, as long as one likes in `make soak`."""

from __future__ import annotations

import os
from typing import Any, Final

from hypothesis import settings

#: Whether other sequences are tried each time. Rounds are processes of their own: what hypothesis keeps of sequences
#: makes each of many slower. Read here, since the tests run without the STAGE0_ variables of whoever runs them.
SOAK: Final = os.environ.get("STAGE0_TEST_SOAK", "") == "1"


def sequences(count: int, **more: Any) -> settings:
    """Settings of a stateful test that tries so many sequences in `make test`."""
    return settings(max_examples=count, derandomize=not SOAK, database=None, deadline=None, **more)
