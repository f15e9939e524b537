"""What a server holds of what strangers send it: `python -m bench.strangers`, some ten seconds, on loopback alone.

Each kind is sent to a server of its own, over 20 connections that stay open: as many bytes as the server takes, 100 MB
at most. Shown is its resident memory before, at most while it is sent, and afterwards.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.sample import add_account, make_database
from bench.servers import Server, stage0

_CONNECTIONS: Final = 20
_BYTES: Final = 100_000_000
#: Seconds after which a connection sends no more, and for which all of them stay open.
_SECONDS: Final = 5

#: What a connection sends first, and then over and over.
KINDS: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "many headers": (b"GET /health HTTP/1.1\r\n", b"a: b\r\n" * 10_000),
    "one header": (b"GET /health HTTP/1.1\r\nx: ", b"x" * 60_000),
    "an address": (b"GET /", b"x" * 60_000),
    "a trailer": (b"POST /nowhere HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", b"x" * 60_000),
    "requests behind one another": (b"", b"GET /nowhere HTTP/1.1\r\n\r\n" * 2_000),
    "a body without a key": (b"POST /check HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", b"x" * 60_000),
}


class Seen(NamedTuple):
    """Megabytes: sent, and resident before, at most, and afterwards."""

    sent: float
    before: float
    most: float
    after: float


def _send(port: int, first: bytes, part: bytes, sent: list[int]) -> None:
    end = time.monotonic() + _SECONDS
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        connection.sendall(first)
        with contextlib.suppress(OSError):
            for _ in range(_BYTES // _CONNECTIONS // len(part)):
                if time.monotonic() > end:
                    break
                connection.sendall(part)
                sent.append(len(part))
        time.sleep(max(0.0, end - time.monotonic()))


def _flood(server: Server, first: bytes, part: bytes) -> Seen:
    sent: list[int] = []
    given = (server.processes[0].port, first, part, sent)
    threads = [threading.Thread(target=_send, args=given) for _ in range(_CONNECTIONS)]
    before = most = server.memory()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, server.memory())
        time.sleep(0.01)
    return Seen(sum(sent) / 1e6, before, most, server.memory())


def _measured(folder: Path) -> Iterator[tuple[str, Seen]]:
    for number, (kind, parts) in enumerate(KINDS.items()):
        place = folder / str(number)
        place.mkdir()
        url = f"sqlite:///{place}/stage0.db"
        make_database(url)
        add_account(url, place)
        with stage0("SQLite", url, place) as server:
            yield kind, _flood(server, *parts)


def main() -> None:
    """Send, and print what was held."""
    title = f"resident memory in MB, {_CONNECTIONS} connections of strangers"
    table = Table("what they send", "sent", "before", "at most", "after", title=title)
    with tempfile.TemporaryDirectory() as name:
        for kind, seen in _measured(Path(name)):
            table.add_row(kind, *[f"{each:.0f}" for each in seen])
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(table)


if __name__ == "__main__":
    main()
