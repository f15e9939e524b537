"""What can be measured without a server: deciding, and one commit on this disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from servers import MARK, sample

from stage0.core.decide import decide
from stage0.core.interpret import interpret
from stage0.core.request import ActionRequest, Caller, State
from stage0.ledger import open_store
from stage0.ledger.ids import new_id
from stage0.ledger.migrate import migrate
from stage0.ledger.statements import insert_decisions
from stage0.policy import shipped_packs
from stage0.wire import read_check

#: About what a record of the sample takes.
_RECORD: Final = b"x" * 3_500


class Deciding(NamedTuple):
    """Medians in microseconds."""

    whole: float
    interpreting: float
    judging: float


def deciding(calls: int) -> Deciding:
    """Time `decide()`, interpretation alone and judging alone, each on requests of its own."""
    pack = shipped_packs()["stage0-default"]
    state = State(Caller("acc_bench"))
    now = time.time()
    requests = _requests(calls)
    whole = _each(requests, lambda request: decide(request, pack=pack, state=state, now=now))
    interpreting = _each(requests, lambda request: interpret(request, pack.knowledge))
    readings = [(request, interpret(request, pack.knowledge)) for request in requests]
    judging = _each(readings, lambda both: decide(both[0], pack=pack, state=state, now=now, reading=both[1]))
    return Deciding(whole, interpreting, judging)


def _requests(count: int) -> list[ActionRequest]:
    text = json.dumps(sample())
    return [read_check(text.replace(MARK, f"{number:08}").encode()) for number in range(count)]


def _each(values: Sequence[Any], work: Callable[[Any], object]) -> float:
    clock = time.perf_counter_ns
    for value in values[:200]:
        work(value)
    times = []
    for value in values:
        start = clock()
        work(value)
        times.append(clock() - start)
    return median(times) / 1e3


class Disk:
    """A database like the server's, for timing commits."""

    def __init__(self, folder: Path) -> None:
        self._store = open_store(f"sqlite:///{folder}/commits.db")
        self._store.create()
        migrate(self._store.writer)
        self._store.claim()  # starts the checkpointer, as in the server
        self._pooled = self._store.writer.raw_connection()
        self._connection: Any = self._pooled.dbapi_connection

    def commit(self, seconds: float) -> float:
        """The median time of a one-row transaction, in milliseconds."""
        clock = time.perf_counter
        times = []
        end = clock() + seconds
        while clock() < end:
            now = time.time()
            row = ("acc", new_id("req", now), int(now * 1e6), "key", "run", "ALLOW", 1, " ", "pack", "v1:", _RECORD)
            start = clock()
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(insert_decisions(1), row)
            self._connection.execute("COMMIT")
            times.append(clock() - start)
        return median(times) * 1e3

    def close(self) -> None:
        """Let go of the file."""
        self._pooled.close()
        self._store.close()
