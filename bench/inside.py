"""What can be measured without a server or a database: deciding."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from bench.sample import body
from bench.wrk import RUNS
from stage0.core.decide import decide
from stage0.policy import shipped_packs
from stage0.reading.interpret import interpret
from stage0.reading.request import ActionRequest, Caller, RunState, State
from stage0.wire import read_check


class Deciding(NamedTuple):
    """Medians in microseconds; `again` is of requests with a goal that was read before, as in a run."""

    whole: float
    again: float
    interpreting: float
    judging: float


def deciding(calls: int) -> Deciding:
    """Time `decide()`, and interpretation and judging alone, on requests that nobody has read before, in a run that
    goes on. Then `decide()` once more, where only the goal has been."""
    pack = shipped_packs()["stage0-default"]
    run = RunState(
        allows=100,
        elapsed_seconds=60.0,
        recent_tools=("argo_cd",) * 16,
        recent_actions=tuple(f"{number:016x}" for number in range(16)),
        last_action=f"{15:016x}",
    )
    state = State(Caller("acc_bench"), run)
    now = time.time()

    def whole(request: ActionRequest) -> object:
        return decide(request, pack=pack, state=state, now=now)

    fresh = each(_requests(range(calls)), whole)
    again = each(_requests([0] * calls), whole)
    interpreting = each(_requests(range(calls, 2 * calls)), lambda request: interpret(request, pack.knowledge))
    readings = [(request, interpret(request, pack.knowledge)) for request in _requests(range(2 * calls, 3 * calls))]
    judging = each(readings, lambda both: decide(both[0], pack=pack, state=state, now=now, reading=both[1]))
    return Deciding(fresh, again, interpreting, judging)


def _requests(goals: Sequence[int]) -> list[ActionRequest]:
    """Requests of as many runs as there are, each with a goal by its number."""
    return [read_check(body(goal, number % RUNS)) for number, goal in enumerate(goals)]


def each(values: Sequence[Any], work: Callable[[Any], object]) -> float:
    """Median microseconds of one call, after a warm-up."""
    clock = time.perf_counter_ns
    for value in values[:200]:
        work(value)
    times = []
    for value in values:
        start = clock()
        work(value)
        times.append(clock() - start)
    return median(times) / 1e3
