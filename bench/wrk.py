"""Running wrk, and reading what it says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

_SCRIPT: Final = str(Path(__file__).with_name("check.lua"))


class Load(NamedTuple):
    """What one run of wrk saw. Latencies are milliseconds."""

    requests: int
    rate: float
    median: float
    p99: float


def load(port: int, *, connections: int, seconds: int, pieces: Path, first: int) -> Load:
    """POST checks for some seconds, numbered from `first`. Raises where anything but 2xx came back."""
    done = subprocess.run(
        [
            "wrk",
            "--threads=1",
            f"--connections={connections}",
            f"--duration={seconds}s",
            "--timeout=30s",
            f"--script={_SCRIPT}",
            f"http://127.0.0.1:{port}/check",
            "--",
            str(pieces),
            str(first),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not found:
        raise SystemExit(f"wrk failed:\n{done.stdout}{done.stderr}")
    requests, micros, refused, broken, median, p99 = (int(number) for number in found[0])
    if refused or broken or not requests:
        raise SystemExit(f"of {requests} answers {refused} were not 2xx, and {broken} connections failed")
    return Load(requests, requests / micros * 1e6, median / 1e3, p99 / 1e3)
