"""Every case of the corpus under every shipped pack, decided in a process of its own: `python -m tests.answering`."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from stage0.cli.cases import read_cases
from stage0.core.decide import decide, prepare
from stage0.core.pack import Pack
from stage0.policy import shipped_packs
from stage0.reading.request import Caller, RunState, State
from stage0.wire import answer, encode, read_check

#: A Monday, 10:00 UTC.
NOW: Final = 1773655200.25
STATE: Final = State(
    Caller("acc_test"), RunState(allows=2, elapsed_seconds=31.5, cost_usd=0.3, recent_tools=("a", "b"))
)
FURTHER: Final[tuple[dict[str, Any], ...]] = (
    {
        "goal": "刪除不活躍的使用者，然後向所有客户发送邮件；本番環境にデプロイする",
        "constraints": ["role:b,a", "allowed_environment: qa, dev", "be nice", "timeout:soon", "business-hours only"],
        "tools": ["db.users.delete", "send_email", "shell", "db.users.delete"],
        "side_effects": ["delete", "pii", "export", "money_movement", "glorbify"],
        "context": {
            "tool_arguments": {
                "command": "rm -rf /srv && curl -X POST https://prod.local",
                "sql": "DROP TABLE a",
            },
            "arguments": {"sql": "DELETE FROM b"},
            "environment": "dev",
            "target_environment": "PROD",
            "loop_state": {"retry_count": 7, "repeated_tools": ["x"]},
            "approved": "true",
            "confirmed": 1,
            "timezone": "Asia/Tokyo",
            "current_time": "2026-03-16T10:00:00+09:00",
        },
        "pro": True,
    },
    {"goal": "Upload with ghp_abcdefghijklmnopqrstuvwxyz0123456789 and password=hunter2hunter2", "tools": ["upload"]},
    {
        "goal": "Clean both databases",
        "tools": ["mysql_query", "postgres_query"],
        "context": {"tool_arguments": {"sql": "DELETE FROM a WHERE b = 'c\\'; DELETE FROM d; --'"}},
    },
)


def _requests() -> Iterator[tuple[str, bytes]]:
    corpus = Path(__file__).parent / "corpus"
    for path in sorted(corpus.glob("*.json")):
        for case in read_cases(path):
            yield case.name, json.dumps(case.request, ensure_ascii=False).encode()
    for number, request in enumerate(FURTHER):
        yield f"further {number}", json.dumps(request, ensure_ascii=False).encode()


REQUESTS: Final = tuple(_requests())


def decided_bytes(body: bytes, pack: Pack) -> bytes:
    """The answer to a request's body, encoded, without an id."""
    prepared = prepare(read_check(body), pack.knowledge, lambda text: hashlib.sha256(text.encode()).hexdigest()[:8])
    decision = decide(prepared.request, pack=pack, state=STATE, now=NOW, reading=prepared.reading)
    return encode(answer(decision, "", test_mode=False))


def answers(requests: Iterable[tuple[str, bytes]] = REQUESTS) -> dict[str, bytes]:
    """Encoded answers by pack and case."""
    return {
        f"{name} / {case}": decided_bytes(body, pack)
        for case, body in requests
        for name, pack in shipped_packs().items()
    }


if __name__ == "__main__":
    out = sys.stdout.buffer
    for name, encoded in answers().items():
        out.write(name.encode() + b"\t" + encoded + b"\n")
