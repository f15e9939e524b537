"""The servers that are measured: each a process of its own, gone at the end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from stage0.ledger import open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import create_key
from stage0.ledger.migrate import migrate

_HERE: Final = Path(__file__).parent
_SAMPLES: Final = _HERE.parent / "tests" / "corpus" / "samples.json"
_SAMPLE: Final = "loop_and_cost_controls"
_SECRET: Final = "the root key of a benchmark: it guards nothing"
_KEYS: Final = 16
#: Where check.lua puts the number of a check.
MARK: Final = "########"


class Server(NamedTuple):
    """A running server."""

    name: str
    port: int
    process: psutil.Process

    def memory(self) -> float:
        """Resident memory in MB."""
        size: int = self.process.memory_info().rss
        return size / 1e6

    def check(self, body: bytes, key: str) -> bytes:
        """One check's answer. Raises SystemExit where it is no 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/check", body, {"content-type": "application/json", "x-api-key": key})
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{self.name} answered {response.status}: {answer[:300]!r}")
        return answer


def sample() -> dict[str, Any]:
    """The request that is measured, with a mark where each check has its number."""
    samples = json.loads(_SAMPLES.read_text(encoding="utf-8"))
    request: dict[str, Any] = next(each["request"] for each in samples if each["name"] == _SAMPLE)
    request["goal"] = f"{request['goal']}, change {MARK}"
    request["context"]["run_id"] = f"run_{MARK}"
    return request


def prepare(folder: Path) -> list[str]:
    """A new database with an account and keys in a folder, and what check.lua reads. Gives the keys."""
    store = open_store(f"sqlite:///{folder}/stage0.db")
    store.create()
    migrate(store.writer)
    now = time.time()
    with store.writer.begin() as connection:
        account = create_account(connection, name="bench", plan="enterprise", actor="system", now=now)
        keyring = Keyring([_SECRET])
        keys = [
            create_key(connection, keyring, account=account.id, actor="system", now=now, name=f"bench-{number}")[1]
            for number in range(_KEYS)
        ]
    store.close()
    (folder / "keys").write_text("\n".join(keys) + "\n", encoding="utf-8")
    (folder / "body").write_text(json.dumps(sample(), separators=(",", ":")), encoding="utf-8")
    return keys


def stage0(folder: Path) -> contextlib.AbstractContextManager[Server]:
    """`stage0 serve` on a prepared folder."""
    command = [str(Path(sys.executable).with_name("stage0")), "serve"]
    environment = {"STAGE0_DATABASE_URL": f"sqlite:///{folder}/stage0.db", "STAGE0_SECRET_KEY": _SECRET}
    return _running("Stage0", [*command, "--port", "{port}"], folder, environment)


def baseline(kind: str, folder: Path, answer: Path) -> contextlib.AbstractContextManager[Server]:
    """A server of baselines.py."""
    return _running(kind, [sys.executable, str(_HERE / "baselines.py"), kind, "{port}", str(answer)], folder, {})


@contextlib.contextmanager
def _running(name: str, command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STAGE0_")}
    log_path = folder / f"{name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            cwd=folder,
            env={**clean, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, log_path)
        yield Server(name, port, psutil.Process(process.pid))
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
    raise SystemExit(f"a server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
