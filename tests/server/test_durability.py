"""Nothing is answered before its record is durable; when it cannot be, there is no verdict, and then recovery."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stage0.ledger.sqlite import sqlite_module
from tests.asserting import nonempty
from tests.loading import Load
from tests.running import KEY, Server

CLIENTS = 64


def _stored(database: Path) -> dict[str, str]:
    """Request id to goal of every record, read from the file itself."""
    connection = sqlite_module().connect(database)
    try:
        rows = connection.execute("SELECT id, record FROM decisions").fetchall()
    finally:
        connection.close()
    return {identifier: json.loads(record)["request"]["goal"] for identifier, record in rows}


def test_every_answered_check_is_found_after_kill_9_ten_times(own_server: Server) -> None:
    answered: list[tuple[int, str, str]] = []
    for _ in range(10):
        with Load(own_server, 8) as load:
            time.sleep(0.4)
            assert own_server.stop(signal.SIGKILL) == -signal.SIGKILL
        answered.extend(load.answered)
        own_server.start()
    assert len(answered) > 100
    stored = _stored(own_server.database)
    assert all(stored.get(request_id) == goal for _, request_id, goal in nonempty(answered))
    for _, request_id, goal in nonempty(answered[::50]):
        assert own_server.get(f"/checks/{request_id}", key=KEY).body["goal"] == goal


def test_sixty_four_clients_at_once_each_get_the_right_answer_and_one_record(own_server: Server) -> None:
    before = len(_stored(own_server.database))
    with Load(own_server, CLIENTS) as load:
        time.sleep(2)
    stored = _stored(own_server.database)
    assert len(load.answered) > CLIENTS
    assert len({request_id for _, request_id, _ in load.answered}) == len(load.answered)
    assert len(stored) - before == len(load.answered)
    assert all(stored[request_id] == goal for _, request_id, goal in nonempty(load.answered))


def test_a_graceful_stop_answers_what_it_accepted_and_loses_nothing(own_server: Server) -> None:
    with Load(own_server, 16) as load:
        time.sleep(0.5)
        assert own_server.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
    stored = _stored(own_server.database)
    assert len(stored) == len(load.answered)
    assert all(request_id in stored for _, request_id, _ in nonempty(load.answered))


def _refused_then_well(server: Server) -> Iterator[None]:
    """A check works; then, while something is wrong, none gives a verdict; then one works again by itself."""
    assert server.check(goal="List the open tickets", tools=["search_tickets"]).status == 200
    yield
    answer = server.check(goal="List the open tickets", tools=["search_tickets"])
    assert answer.status == 503, answer.body
    assert "verdict" not in answer.body
    assert answer.headers["retry-after"]
    yield
    for _ in range(100):
        answer = server.check(goal="List the open tickets", tools=["search_tickets"])
        if answer.status == 200:
            break
        time.sleep(0.1)
    assert answer.status == 200, answer.body
    assert server.get(f"/checks/{answer.body['request_id']}", key=KEY).status == 200
    yield


@contextmanager
def _no_room(server: Server) -> Iterator[None]:
    """The server may not make any file longer: what a full disk does to it."""
    assert server.process is not None
    sizes = [path.stat().st_size for path in server.database.parent.glob("stage0.db*")]
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (min(sizes), hard))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_with_no_room_left_there_is_no_verdict_and_then_recovery(own_server: Server) -> None:
    steps = _refused_then_well(own_server)
    next(steps)
    with _no_room(own_server):
        next(steps)
    next(steps)


def test_a_locked_database_gives_no_verdict_and_then_recovery(own_server: Server) -> None:
    steps = _refused_then_well(own_server)
    next(steps)
    other = sqlite3.connect(own_server.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        next(steps)
        other.execute("ROLLBACK")
    finally:
        other.close()
    next(steps)


def test_a_database_that_vanishes_gives_no_verdict_and_then_recovery(own_server: Server) -> None:
    away = own_server.folder / "away"
    away.mkdir()
    steps = _refused_then_well(own_server)
    next(steps)
    files = sorted(own_server.database.parent.glob("stage0.db*"))
    for path in files:
        shutil.move(path, away / path.name)
    next(steps)
    assert own_server.get("/health").status == 503
    assert own_server.get("/health").body == {"ok": False, "error": "runtime_unhealthy"}
    for path in files:
        shutil.move(away / path.name, path)
    next(steps)
    assert own_server.get("/health").status == 200


def test_a_second_server_on_the_same_file_is_refused(own_server: Server, tmp_path: Path) -> None:
    second = own_server.cli("serve", "--port", "0")
    assert second.returncode != 0
    assert "another server is running" in second.stderr.decode() + second.stdout.decode()


def test_more_than_one_worker_on_sqlite_is_refused(own_server: Server) -> None:
    refused = own_server.cli("serve", "--port", "0", "--workers", "2")
    assert refused.returncode != 0
    assert "SQLite serves one process" in refused.stderr.decode()


def test_a_clear_error_where_the_database_was_not_migrated(tmp_path: Path) -> None:
    server = Server(tmp_path)
    environment = {**server.environment, "STAGE0_SECRET_KEY": "k" * 32}
    server._environment = environment
    refused = server.cli("serve", "--port", "0")
    assert refused.returncode != 0
    assert "stage0 migrate" in refused.stderr.decode()
    assert server.cli("migrate").returncode == 0
    assert "already at" in server.cli("migrate").stdout.decode()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("STAGE0_PORT", "eighty", "STAGE0_PORT"),
        ("STAGE0_WORKERS", "0", "STAGE0_WORKERS"),
        ("STAGE0_DATABASE_URL", "mysql://u:secret@h/db", "STAGE0_DATABASE_URL"),
        ("STAGE0_SECRET_KEY", "short", "STAGE0_SECRET_KEY"),
        ("STAGE0_LOG_LEVEL", "loud", "STAGE0_LOG_LEVEL"),
        ("STAGE0_DEADLINE", "soon", "STAGE0_DEADLINE"),
        ("STAGE0_PROT", "8000", "STAGE0_PROT"),
    ],
)
def test_a_wrong_setting_is_a_clear_error_at_start(variable: str, value: str, said: str, tmp_path: Path) -> None:
    server = Server(tmp_path, environment={"STAGE0_SECRET_KEY": "k" * 32, variable: value})
    refused = server.cli("serve")
    assert refused.returncode != 0
    assert said in refused.stderr.decode()
    assert "Traceback" not in refused.stderr.decode()
    assert "secret@" not in refused.stderr.decode()


def test_the_files_of_the_data_folder_are_private(own_server: Server) -> None:
    data = own_server.database.parent
    assert data.stat().st_mode & 0o077 == 0
    for path in nonempty(data.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path.name


def _fail_in_a_row(server: Server, count: int) -> None:
    for _ in nonempty(range(count)):
        assert server.check(goal="List the open tickets", tools=["search_tickets"]).status == 503


def test_health_says_so_when_checks_fail_in_a_row_until_one_is_recorded_again(own_server: Server) -> None:
    """A small write may find room on a full disk where a check does not."""
    assert own_server.process is not None
    frame = 4096 + 24
    room = Path(f"{own_server.database}-wal").stat().st_size + 2 * frame
    soft, hard = resource.prlimit(own_server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(own_server.process.pid, resource.RLIMIT_FSIZE, (room, hard))
    _fail_in_a_row(own_server, 2)
    assert own_server.get("/health").status == 200
    _fail_in_a_row(own_server, 1)
    assert own_server.get("/health").status == 503
    resource.prlimit(own_server.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert own_server.get("/health").status == 503
    assert own_server.check(goal="List the open tickets", tools=["search_tickets"]).status == 200
    assert own_server.get("/health").status == 200
