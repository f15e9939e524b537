"""A process of our own beside this one. Whatever Python does, it does in one thread at a time of a process: what is
long keeps a process busy that nobody waits for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, TypeVarTuple

from stage0.ledger.errors import Overloaded

T = TypeVar("T")
Given = TypeVarTuple("Given")
#: What work gave, or what it raised, and the seconds that it took.
Outcome = tuple[T | None, BaseException | None, float]
#: Bytes before each message that say how many it has.
SIZE: Final = 8
#: Seconds after which it hangs: nothing that it is asked takes as long.
_SECONDS_MAX: Final = 60
_MODULE: Final = "stage0.engine.worker_process"
#: Secrets in the settings are none of its business.
_OURS: Final = "STAGE0_"


class Worker:
    """Runs functions of ours there, one after the other. It is started when it is first needed, and again where it has
    ended. For one event loop."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """See that it runs. Raises OSError where no process can be started."""
        async with self._turn:
            await self._started()

    async def run(self, work: Callable[[*Given], T], *given: *Given) -> Outcome[T]:
        """What a function of a module gives or raises, and the seconds that it took. Raises Overloaded where the
        process has ended, or takes so long that it is ended: whoever asks next starts it anew."""
        async with self._turn:
            try:
                process = await self._started()
                question = pickle.dumps((work, given), pickle.HIGHEST_PROTOCOL)
                async with asyncio.timeout(_SECONDS_MAX):
                    outcome: Outcome[T] = await self._asked(process, question)
            except (OSError, asyncio.IncompleteReadError):
                await self.close()
                raise Overloaded("the process that reads large requests has ended") from None
            except BaseException:
                await self.close()  # an answer that nobody has read would be taken for the next one
                raise
            return outcome

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or not self.running:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # Parsers say there what they do not understand: it may quote requests.
                stderr=asyncio.subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
            )
            try:
                async with asyncio.timeout(_SECONDS_MAX):
                    await self._receive(self._process)  # it has loaded everything
            except asyncio.IncompleteReadError:
                raise OSError("the process has ended before it was ready") from None
            except BaseException:
                await self.close()  # else this would be read as an answer
                raise
        return self._process

    async def _asked(self, process: asyncio.subprocess.Process, question: bytes) -> Any:
        assert process.stdin is not None  # noqa: S101 -- it is a pipe
        process.stdin.write(len(question).to_bytes(SIZE, "big"))
        process.stdin.write(question)
        await process.stdin.drain()
        return pickle.loads(await self._receive(process))  # noqa: S301 -- our own process made it

    async def _receive(self, process: asyncio.subprocess.Process) -> bytes:
        assert process.stdout is not None  # noqa: S101 -- it is a pipe
        size = await process.stdout.readexactly(SIZE)
        return await process.stdout.readexactly(int.from_bytes(size, "big"))

    async def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def time_work(work: Callable[[*Given], T], *given: *Given) -> Outcome[T]:
    """What work gives or raises, and the seconds of this thread that it took."""
    began = time.thread_time()
    try:
        return work(*given), None, time.thread_time() - began
    except StopIteration as error:  # a future cannot carry it
        return None, RuntimeError(repr(error)), time.thread_time() - began
    except BaseException as error:  # whoever waits is told, and others go on
        return None, error, time.thread_time() - began
