"""How long the worst bodies hold the server's event loop, and what 16 connections that send one do to somebody else.

`python -m bench.held` runs the real application on an event loop of its own and watches it every millisecond, while
another process sends it one body after the other. Each is sent several times, and the median of the longest holds
counts: whatever else the machine does holds the loop, too, as the row of a plain check shows.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import uvicorn
import uvloop

from bench.fairness import QUICK, _victim
from bench.sample import ROOT, add_account, make_database
from bench.servers import stage0
from bench.worst import WORST, _body
from stage0.app import create, prepare_process
from stage0.server.connection import Connection
from stage0.server.settings import read_settings

PLAIN: Final = "a plain check"
#: What no body may hold the loop for, and what a victim's p99 may be, in milliseconds.
HELD_MS: Final = 10.0
VICTIM_MS: Final = 100.0
_TICK: Final = 0.001
_ROUNDS: Final = 3
_SENDERS: Final = 16


def bodies() -> dict[str, bytes]:
    """Every body by its name."""
    return {PLAIN: _body(), **WORST}


# -- the process that sends


def send(port: int, key: str) -> None:
    """Send the bodies that are named on standard input, one a line, and say how each was answered."""
    known = bodies()
    print("ready", flush=True)
    for line in sys.stdin:
        status = _post(port, key, known[line.strip()])
        print(status, flush=True)


def _post(port: int, key: str, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/check", body, {"content-type": "application/json", "x-api-key": key})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


# -- the process that is watched


class Held(NamedTuple):
    """How long a body held the loop, in milliseconds, and its answer's status."""

    name: str
    size: int
    status: int
    held_ms: float


class Watch:
    """The longest time for which the event loop of this process was not free since it was last asked, in seconds."""

    def __init__(self) -> None:
        self._longest = 0.0

    async def run(self) -> None:
        """Look at it every millisecond."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK)
            self._longest = max(self._longest, time.perf_counter() - began - _TICK)

    def longest(self) -> float:
        """What it was."""
        found, self._longest = self._longest, 0.0
        return found


async def watched(url: str, folder: Path, wanted: Sequence[str], say: Callable[[str], None]) -> list[Held]:
    """Serve, have every body sent, and watch."""
    settings = read_settings({"STAGE0_DATABASE_URL": url, "STAGE0_SECRET_KEY": ROOT, "STAGE0_LOG_LEVEL": "error"})
    application = create(settings)
    prepare_process()
    config = uvicorn.Config(application, port=0, http=Connection, ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- it sets nothing that could be awaited
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    key = (folder / "keys").read_text(encoding="utf-8").split()[0]
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.held", "--send", str(port), key),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert sender.stdin is not None
    assert sender.stdout is not None
    await sender.stdout.readline()
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    found = []
    for name, body in bodies().items():
        if wanted and name != PLAIN and not any(each in name for each in wanted):
            continue
        say(f"held: {name}")
        holds, status = [], 0
        for _ in range(_ROUNDS):
            await asyncio.sleep(0.02)
            watch.longest()
            sender.stdin.write(name.encode() + b"\n")
            status = int(await sender.stdout.readline())
            holds.append(1e3 * watch.longest())
        found.append(Held(name, len(body), status, median(holds)))
    watching.cancel()
    sender.stdin.close()
    await sender.wait()
    server.should_exit = True
    await serving
    return found


# -- the victim


def _flood(port: int, key: str, body: bytes, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            _post(port, key, body)
        except OSError:
            time.sleep(0.01)


def flood(port: int, key: str, name: str, seconds: float) -> None:
    """Send one body over 16 connections for so many seconds."""
    stop = threading.Event()
    body = bodies()[name]
    senders = [threading.Thread(target=_flood, args=(port, key, body, stop)) for _ in range(_SENDERS)]
    for sender in senders:
        sender.start()
    time.sleep(seconds)
    stop.set()
    for sender in senders:
        sender.join()


def victims(folder: Path, url: str, names: Sequence[str], say: Callable[[str], None]) -> dict[str, float]:
    """A victim's p99 in milliseconds, alone (under an empty name) and beside a flood of each body."""
    found = {}
    with stage0("SQLite", url, folder / "victim") as server:
        server.load(4, 1)
        key = (folder / "attacker" / "keys").read_text(encoding="utf-8").split()[0]
        for name in ("", *names):
            say(f"victim beside {name or 'nobody'}")
            attacker = None
            if name:
                given = [str(server.processes[0].port), key, name, str(QUICK.seconds + 5)]
                attacker = subprocess.Popen([sys.executable, "-m", "bench.held", "--flood", *given])
                time.sleep(3)
            found[name] = _victim(server, folder / "victim", QUICK.seconds).p99
            if attacker is not None:
                attacker.wait()
    return found


def report(folder: Path, *, wanted: Sequence[str] = (), say: Callable[[str], None]) -> None:
    """Measure and print: every body as CSV, what holds the loop too long, and the victim beside the worst of them."""
    url = f"sqlite:///{folder}/held.db"
    make_database(url)
    for name in ("attacker", "victim"):
        add_account(url, folder / name, name=name, limits=None, count=1)
    found = uvloop.run(watched(url, folder / "attacker", wanted, say))
    print("body,bytes,status,held_ms")
    for each in found:
        print(f'"{each.name}",{each.size},{each.status},{each.held_ms:.1f}', flush=True)
    over = [f"{each.name} ({each.held_ms:.0f} ms)" for each in found if each.held_ms > HELD_MS]
    print(f"holds the loop for more than {HELD_MS:.0f} ms: {'; '.join(over) or 'no body'}")
    worst = [each.name for each in sorted(found, key=lambda each: -each.held_ms) if each.name != PLAIN][:3]
    refused = [each.name for each in sorted(found, key=lambda each: -each.held_ms) if each.status == 422][:1]
    named = [name for name in ("1,900 targets in 1,900 scopes",) if name in WORST]
    for name, p99 in victims(folder, url, list(dict.fromkeys([*worst, *refused, *named])), say).items():
        beside = f"{_SENDERS} connections of {name}" if name else "nobody"
        print(f"a victim's p99 beside {beside}: {p99:.1f} ms (at most {VICTIM_MS:.0f})")


def main() -> None:
    """Measure and print, or be one of the processes that send."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--send", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--flood", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="parts of the names of bodies; all where left out")
    given = parser.parse_args()
    if given.send:
        send(int(given.send[0]), given.send[1])
    elif given.flood:
        port, key, name, seconds = given.flood
        flood(int(port), key, name, float(seconds))
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(Path(folder), wanted=given.names, say=lambda text: None)


if __name__ == "__main__":
    main()
