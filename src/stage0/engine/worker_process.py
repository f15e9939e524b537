"""`python -m stage0.engine.worker_process`: takes functions and what they are given on standard input, and puts what
they give on standard output. It ends with the process that started it."""

from __future__ import annotations

import gc
import pickle
import signal
import sys
from typing import Any, BinaryIO

from stage0.engine.worker import SIZE, Outcome, time_work
from stage0.knowledge.load import shipped_knowledge


def main() -> None:
    """Work until nothing more comes."""
    # Whoever presses Ctrl-C means the server, which ends this process when it has answered.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever prints must not print among the answers
    shipped_knowledge()
    gc.collect()
    gc.freeze()
    _put(answers, b"")
    while True:
        size = questions.read(SIZE)
        if len(size) < SIZE:
            return
        work, given = pickle.loads(questions.read(int.from_bytes(size, "big")))  # noqa: S301 -- the server made it
        _put(answers, _packed(time_work(work, *given)))


def _packed(outcome: Outcome[Any]) -> bytes:
    try:
        return pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps((None, RuntimeError(f"it cannot be sent back: {error}"), outcome[2]))


def _put(answers: BinaryIO, answer: bytes) -> None:
    answers.write(len(answer).to_bytes(SIZE, "big"))
    answers.write(answer)
    answers.flush()


if __name__ == "__main__":
    main()
