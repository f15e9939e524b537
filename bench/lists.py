"""What one account's list reads cost everybody else, on many records: `python -m bench.lists` (ARGS: how many).

Thirty-two connections ask for a code that no record has, over and over. Beside them a record of another
account, its usage, a stranger's 401 and `/health` are asked for, one after the other."""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

from bench.fill import Month, SqliteFiller
from stage0.ledger import open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.catalogue import shipped_catalogue
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import create_key
from stage0.ledger.migrate import migrate
from tests.running import Server

ROOT: Final = "root-key-of-the-list-bench-00000001"
_SECONDS: Final = 15
_LISTS: Final = 32


def _prepared(path: Path, records: int) -> tuple[str, str]:
    """A database of which one account has all of the records. Gives its key, and that of another one."""
    store = open_store(f"sqlite:///{path}")
    store.create()
    migrate(store.writer)
    keyring, now, texts, owner = Keyring([ROOT]), time.time(), [], ""
    with store.writer.begin() as connection:
        for name in ("many", "victim"):
            account = create_account(
                connection, shipped_catalogue(), name=name, plan="enterprise", actor="bench", now=now
            )
            scopes = ("check", "read")
            key, text = create_key(
                connection,
                shipped_catalogue(),
                keyring,
                account=account.id,
                actor="bench",
                now=now,
                scopes=scopes,
                name=name,
            )
            texts.append(text)
            owner = owner or key.account
    store.close()
    filler = SqliteFiller(path)
    filler.put("decisions", ((owner, *row[1:]) for row in Month(0).decisions(0, records, records)))
    filler.close()
    return texts[0], texts[1]


def _ask(port: int, path: str, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path, headers={"x-api-key": key})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def main(records: int) -> None:
    """Fill, serve, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stage0.db"
        many, victim = _prepared(path, records)
        environment = {"STAGE0_DATABASE_URL": f"sqlite:///{path}", "STAGE0_SECRET_KEY": ROOT}
        with Server(Path(folder), command="serve", environment=environment) as server:
            _measure(server, many, victim, records)


def _measure(server: Server, many: str, victim: str, records: int) -> None:
    stop, lists, statuses = threading.Event(), [], Counter[int]()

    def attack() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            status = _ask(server.port, "/checks?code=NEVER", many)
            statuses[status] += 1
            if status == 200:
                lists.append(time.perf_counter() - began)
            else:
                stop.wait(0.2)

    threads = [threading.Thread(target=attack) for _ in range(_LISTS)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    asked = {"record": "/checks/req_none", "usage": "/usage", "stranger's 401": "/usage", "/health": "/health"}
    slowest: dict[str, float] = dict.fromkeys(asked, 0.0)
    seen = Counter[tuple[str, int]]()
    over = time.perf_counter() + _SECONDS
    while time.perf_counter() < over:
        for name, path in asked.items():
            began = time.perf_counter()
            seen[name, _ask(server.port, path, "a-key-that-nobody-knows" if "401" in name else victim)] += 1
            slowest[name] = max(slowest[name], time.perf_counter() - began)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"{records:,} records, {_LISTS} lists at once: {dict(statuses)}, slowest 200: {max(lists, default=0):.2f} s")
    for name, seconds in slowest.items():
        counts = {status: count for (who, status), count in seen.items() if who == name}
        print(f"  {name:15} slowest {seconds * 1000:8.1f} ms  {json.dumps(counts)}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
