"""The request that is measured, with limits, run state and idempotency at work; and the databases it is sent to.

Its limits are so high that no check ever reaches one: they are counted and compared all the same."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from bench.wrk import CHECK_MARK, RUN_MARK
from stage0.ledger import open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.catalogue import shipped_catalogue
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import create_key, set_group
from stage0.ledger.migrate import migrate
from stage0.ledger.schema import decisions, idempotency, runs, usage
from stage0.ledger.usage import Limits

#: The root key of every server here.
ROOT: Final = "the root key of a benchmark: it guards nothing"

_SAMPLES: Final = Path(__file__).parents[1] / "tests" / "corpus" / "samples.json"
_SAMPLE: Final = "loop_and_cost_controls"
_OUT_OF_REACH: Final = {
    "max_iterations:3": "max_iterations:1000000000",
    "timeout:300s": "timeout:86400s",
    "max_cost_usd:5": "max_cost_usd:1000000",
}
_KEYS: Final = 16
#: Finite, so that every check is counted, and never reached.
HIGH: Final = Limits(10**9, 10**9, 10**9)


def sample() -> dict[str, Any]:
    """The request, with marks where each check has its number and its run."""
    samples = json.loads(_SAMPLES.read_text(encoding="utf-8"))
    request: dict[str, Any] = next(each["request"] for each in samples if each["name"] == _SAMPLE)
    request["goal"] = f"{request['goal']}, change {CHECK_MARK}"
    request["context"]["run_id"] = f"run_{RUN_MARK}"
    request["constraints"] = [_OUT_OF_REACH.get(each, each) for each in request["constraints"]]
    return request


def text() -> str:
    """The request as it is sent, with its marks."""
    return json.dumps(sample(), separators=(",", ":"))


def body(number: int, run: int) -> bytes:
    """The request of one check."""
    return text().replace(CHECK_MARK, f"{number:010}").replace(RUN_MARK, f"{run:010}").encode()


def make_database(url: str) -> None:
    """This version's tables in a new database."""
    store = open_store(url)
    store.create()
    migrate(store.writer)
    store.close()


def add_account(
    url: str,
    folder: Path,
    *,
    name: str = "bench",
    plan: str = "enterprise",
    limits: Limits | None = HIGH,
    count: int = _KEYS,
) -> None:
    """An account with so many keys that share one usage group, and in a folder what check.lua reads.

    Without `limits` the group has those of the plan."""
    store = open_store(url)
    now = time.time()
    with store.writer.begin() as connection:
        account = create_account(connection, shipped_catalogue(), name=name, plan=plan, actor="system", now=now).id
        set_group(connection, account=account, name="agents", limits=limits or Limits(), actor="system", now=now)
        keyring = Keyring([ROOT])
        keys = [
            create_key(
                connection,
                shipped_catalogue(),
                keyring,
                account=account,
                actor="system",
                now=now,
                name=f"{name}-{number}",
                group="agents",
                limits=limits,
            )[1]
            for number in range(count)
        ]
    store.close()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keys").write_text("\n".join(keys) + "\n", encoding="utf-8")
    (folder / "body").write_text(text(), encoding="utf-8")


class Counted(NamedTuple):
    """What a database says of all its checks."""

    records: int
    allows: int
    others: int
    runs: int
    used: int
    tokens: int

    def wrong(self, sent: int) -> str:
        """Why this is not what so many checks with everything on leave behind; empty where it is.

        Checks that were on their way as a load ended may have been recorded without being counted by the sender."""
        if self.others:
            return f"{self.others} of {self.records} checks were not allowed"
        if self.records < sent:
            return f"{sent} checks were answered, and {self.records} are recorded"
        if not self.records == self.allows == self.used == self.tokens:
            return f"of {self.records} checks runs count {self.allows}, limits {self.used}, idempotency {self.tokens}"
        return ""


def counted(url: str) -> Counted:
    """Count what every check has to leave behind."""
    store = open_store(url)
    with store.reader.connect() as connection:

        def number(query: sa.Select[Any]) -> int:
            return int(connection.execute(query).scalar_one() or 0)

        found = Counted(
            number(sa.select(sa.func.count()).select_from(decisions)),
            number(sa.select(sa.func.sum(runs.c.allows))),
            number(sa.select(sa.func.sum(runs.c.denies + runs.c.defers))),
            number(sa.select(sa.func.count()).select_from(runs)),
            number(sa.select(sa.func.sum(usage.c.month_used)).where(usage.c.holder == "group:agents")),
            number(sa.select(sa.func.count()).select_from(idempotency)),
        )
    store.close()
    return found
