"""A real server in a process of its own, and plain HTTP to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

KEY: Final = "test-key-of-the-suite-0001"
STAGE0: Final = str(Path(sys.executable).with_name("stage0"))


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Answer:
    """An HTTP answer: `status`, `headers` (lower-case names) and the decoded JSON `body`."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.raw = response.read()
        self.body: Any = json.loads(self.raw) if self.raw else None


class Server:
    """`stage0 dev` (or `serve`) on a folder. A context manager: leaves no process behind."""

    def __init__(
        self, folder: Path, *, command: str = "dev", environment: dict[str, str] | None = None, files: int = 0
    ) -> None:
        """`files` is how many the process may open at most, where that matters."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = command
        self._environment = environment or {}
        self._files = files
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server, and of commands that work on its folder."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("STAGE0_")}
        return {**clean, "STAGE0_DATA": str(self.folder / "data"), "STAGE0_DEV_KEY": KEY, **self._environment}

    @property
    def database(self) -> Path:
        """The database file."""
        return self.folder / "data" / "stage0.db"

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers."""
        limited = ["sh", "-c", 'ulimit -n "$0"; exec "$@"', str(self._files)] if self._files else []
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*limited, STAGE0, self._command, "--port", str(self.port)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            try:
                if self.get("/health").status == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. Gives the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(timeout=60)
        self.process = None
        return status

    def log(self) -> str:
        """What the server has printed."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def cli(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a `stage0` command on the server's folder."""
        return subprocess.run(
            [STAGE0, *arguments], cwd=self.folder, env=self.environment, input=stdin, capture_output=True, check=False
        )

    def new_key(self, *options: str, account: str = "dev") -> str:
        """Create a key with options of `stage0 keys create`."""
        made = self.cli("keys", "create", "--account", account, *options)
        assert made.returncode == 0, made.stderr.decode()
        return made.stdout.decode().strip()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One HTTP request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, *, key: str | None = None) -> Answer:
        """A GET, with a key where one is given."""
        return self.request("GET", path, headers={"x-api-key": key} if key else {})

    def post(self, path: str, body: Any, *, key: str = KEY, headers: dict[str, str] | None = None) -> Answer:
        """A POST of JSON (bytes are sent as they are)."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request(
            "POST", path, data, {"x-api-key": key, "content-type": "application/json", **(headers or {})}
        )

    def check(self, *, key: str = KEY, **fields: Any) -> Answer:
        """A check."""
        return self.post("/check", fields, key=key)
