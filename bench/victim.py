"""An account that sends checks at a steady rate, in a process of its own.

`python -m bench.victim PORT FOLDER FIRST RATE CONNECTIONS SECONDS` prints one line that fairness.py reads. Times count
from when a check was due, so that one that had to wait for its connection has waited.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from bench.wrk import CHECK_MARK, RUN_MARK, RUNS, Load, percentile


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> bool:
    """Send one check. Whether it was allowed."""
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    answer = await reader.readexactly(int(length.partition(b":")[2]))
    return head.startswith(b"HTTP/1.1 200") and b'"verdict":"ALLOW"' in answer


def _request(pieces: Path, number: int) -> bytes:
    keys = (pieces / "keys").read_text(encoding="utf-8").split()
    digits = f"{number:010}"
    text = (pieces / "body").read_text(encoding="utf-8")
    body = text.replace(CHECK_MARK, digits).replace(RUN_MARK, f"{number % RUNS:010}").encode()
    head = (
        f"POST /check HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-api-key: {keys[number % len(keys)]}\r\nidempotency-key: victim-{digits}\r\n\r\n"
    )
    return head.encode() + body


async def _connection(port: int, checks: list[tuple[float, bytes]], start: float) -> list[tuple[float, bool]]:
    """Send checks when they are due, one after the other. Gives how long each took, and whether it was allowed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    clock = time.perf_counter
    found = []
    for due, sent in checks:
        await asyncio.sleep(max(0.0, start + due - clock()))
        allowed = await _ask(reader, writer, sent)
        found.append((clock() - start - due, allowed))
    writer.close()
    return found


async def send(port: int, pieces: Path, first: int, rate: float, connections: int, seconds: float) -> Load:
    """Send checks at a rate over so many connections, in turn."""
    count = int(rate * seconds)
    checks = [(number / rate, _request(pieces, first + number)) for number in range(count)]
    start = time.perf_counter() + 0.1
    groups = [_connection(port, checks[number::connections], start) for number in range(connections)]
    found = [each for group in await asyncio.gather(*groups) for each in group]
    times = sorted(1e3 * took for took, _ in found)
    refused = sum(not allowed for _, allowed in found)
    return Load(count, count / seconds, percentile(times, 50), percentile(times, 99), refused)


def main(port: str, pieces: str, first: str, rate: str, connections: str, seconds: str) -> None:
    """Send, and print what was seen."""
    seen = asyncio.run(send(int(port), Path(pieces), int(first), float(rate), int(connections), float(seconds)))
    micros = seen.requests / seen.rate * 1e6
    times = f"{seen.median * 1e3:.0f} {seen.p99 * 1e3:.0f}"
    print(f"RESULT {seen.requests} {micros:.0f} {seen.refused} 0 {times}")


if __name__ == "__main__":
    main(*sys.argv[1:])
