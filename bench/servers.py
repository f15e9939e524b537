"""The servers that are measured: processes of their own, gone at the end."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.sample import ROOT
from bench.wrk import RUNS, Checks, Load, finish, start, together

_ROOT_FOLDER: Final = Path(__file__).parents[1]
#: Every load begins with a number that no load before it can have reached.
numbers: Final = itertools.count(0, 1_000_000)


class Process(NamedTuple):
    """One process that listens."""

    port: int
    process: psutil.Process


class Server(NamedTuple):
    """A server of one or more processes, each with a port of its own, and the folder of the checks that it is sent."""

    name: str
    processes: Sequence[Process]
    pieces: Path

    def memory(self) -> float:
        """Resident memory in MB."""
        return sum(int(each.process.memory_info().rss) for each in self.processes) / 1e6

    def load(self, connections: int, seconds: int) -> Load:
        """Load it with checks that nobody has sent before. Connections are shared out evenly among its processes, as
        a load balancer does it; with fewer connections than processes the rest is idle.

        So are the runs, so that no run is checked twice at one time: agents wait for their answers."""
        used = self.processes[:connections]
        share = RUNS // len(used)
        started = [
            start(
                each.port,
                Checks(self.pieces, next(numbers), number * share, share),
                connections=connections // len(used),
                seconds=seconds,
            )
            for number, each in enumerate(used)
        ]
        return together([finish(each) for each in started])

    def check(self, body: bytes, token: str) -> bytes:
        """One check's answer. Ends the program where it is no 200 with ALLOW."""
        key = (self.pieces / "keys").read_text(encoding="utf-8").split()[0]
        headers = {"content-type": "application/json", "x-api-key": key, "idempotency-key": token}
        connection = http.client.HTTPConnection("127.0.0.1", self.processes[0].port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/check", body, headers)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200 or json.loads(answer)["verdict"] != "ALLOW":
            raise SystemExit(f"{self.name} answered {response.status}: {answer[:300]!r}")
        return answer


@contextlib.contextmanager
def stage0(name: str, url: str, folder: Path, processes: int = 1) -> Iterator[Server]:
    """So many `stage0 serve` on a prepared database."""
    command = [str(Path(sys.executable).with_name("stage0")), "serve", "--port", "{port}"]
    environment = {"STAGE0_DATABASE_URL": url, "STAGE0_SECRET_KEY": ROOT}
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_running(command, folder, environment)) for _ in range(processes)]
        yield Server(name, running, folder)


@contextlib.contextmanager
def baseline(kind: str, folder: Path, answer: Path) -> Iterator[Server]:
    """A server of baselines.py."""
    with _running([sys.executable, "-m", "bench.baselines", kind, "{port}", str(answer)], folder, {}) as running:
        yield Server(kind, [running], folder)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Process]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STAGE0_")}
    log_path = folder / f"{port}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            cwd=_ROOT_FOLDER,
            env={**clean, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, log_path)
        yield Process(port, psutil.Process(process.pid))
    except SystemExit as error:
        raise SystemExit(f"{error}\nlog of `{' '.join(command)}`:\n{_end_of(log_path)}") from None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("a server did not start")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
