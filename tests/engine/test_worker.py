"""The process beside the server: what it is asked is done elsewhere, and its end costs nobody a wrong answer."""

from __future__ import annotations

import asyncio
import importlib
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import pytest

from stage0.engine.job import read_request
from stage0.engine.worker import Worker
from stage0.ledger import Overloaded
from stage0.wire import Invalid


def ask(work: Callable[[Worker], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        worker = Worker()
        try:
            return await work(worker)
        finally:
            await worker.close()

    return asyncio.run(run())


def test_work_is_done_in_another_process_which_goes_on() -> None:
    async def work(worker: Worker) -> list[Any]:
        return [(await worker.run(os.getpid))[0] for _ in range(2)]

    first, second = ask(work)
    assert first == second != os.getpid()
    assert not psutil.pid_exists(first)


def test_what_work_raises_comes_back_as_it_is() -> None:
    async def work(worker: Worker) -> BaseException | None:
        return (await worker.run(read_request, b'{"goal": ""}', str))[1]

    error = ask(work)
    assert isinstance(error, Invalid)
    assert (error.path, error.message) == ("goal", "must not be empty")


def test_what_cannot_be_sent_back_is_an_error_of_the_work_alone() -> None:
    async def work(worker: Worker) -> Any:
        given, error, _ = await worker.run(importlib.import_module, "os")
        return given, error, (await worker.run(os.getpid))[0]

    given, error, after = ask(work)
    assert given is None
    assert isinstance(error, RuntimeError)
    assert after


def test_a_process_that_has_ended_is_said_to_and_started_anew() -> None:
    async def work(worker: Worker) -> Any:
        first = (await worker.run(os.getpid))[0]
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(Overloaded):
            await worker.run(time.sleep, 5)
        return first, (await worker.run(os.getpid))[0]

    first, second = ask(work)
    assert first != second


def test_an_answer_that_nobody_waits_for_is_not_taken_for_another() -> None:
    async def work(worker: Worker) -> Any:
        await worker.start()
        asking = asyncio.create_task(worker.run(time.sleep, 0.5))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return await worker.run(operator.add, 1, 2)

    assert ask(work)[0] == 3


def test_a_start_that_nobody_waits_for_leaves_nothing_behind() -> None:
    async def work(worker: Worker) -> Any:
        starting = asyncio.create_task(worker.start())
        await asyncio.sleep(0.1)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return await worker.run(operator.add, 1, 2)

    assert ask(work)[0] == 3


def test_it_knows_none_of_the_servers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE0_SECRET_KEY", "a secret")
    assert ask(lambda worker: worker.run(os.getenv, "STAGE0_SECRET_KEY"))[0] is None


_STARTS = """
import asyncio, os
from stage0.engine.worker import Worker
async def run():
    print((await Worker().run(os.getpid))[0], flush=True)
    await asyncio.sleep(600)
asyncio.run(run())
"""


def test_it_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", _STARTS], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([worker], timeout=30)[0] == [worker]
