"""What becomes of the database's files beneath a running server: whatever was answered is found afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from stage0.ledger.sqlite import sqlite_module
from tests.asserting import nonempty
from tests.ledger.opening import migrated
from tests.loading import Load
from tests.running import Server

READ: Final[dict[str, Any]] = {"goal": "List the open tickets", "tools": ["search_tickets"]}


def _stored(database: Path) -> dict[str, str]:
    """Request id to goal of every record, read as by the next process that opens the file, which has to be whole."""
    connection = sqlite_module().connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT id, record FROM decisions").fetchall()
    finally:
        connection.close()
    return {identifier: json.loads(record)["request"]["goal"] for identifier, record in rows}


def _wait_for(seen: Callable[[], object], seconds: float = 20) -> bool:
    patience = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > patience:
            return False
        time.sleep(0.02)
    return True


def _said(server: Server, event: str) -> bool:
    return event in (server.folder / "log").read_text()


def _delete(server: Server, *endings: str) -> None:
    for ending in endings:
        Path(f"{server.database}{ending}").unlink()


def _lost(load: Load, stored: dict[str, str]) -> list[str]:
    return [request_id for _, request_id, goal in load.answered if stored.get(request_id) != goal]


LOGS = [("-wal",), ("-shm",), ("-wal", "-shm")]


@pytest.mark.parametrize("endings", LOGS, ids="".join)
def test_what_was_answered_is_found_though_the_log_was_deleted_under_load(
    endings: tuple[str, ...], own_server: Server
) -> None:
    with Load(own_server, 8) as load:
        assert _wait_for(lambda: len(load.answered) > 50)
        _delete(own_server, *endings)
        told = _wait_for(lambda: _said(own_server, "database_files_changed"))
        before = len(load.answered)
        assert _wait_for(lambda: len(load.answered) > before + 50), "it does not go on by itself"
        own_server.stop(signal.SIGKILL)
    assert _lost(load, _stored(own_server.database)) == []
    assert told
    assert set(nonempty(load.refused)) <= {(503, "service_unavailable")}


@pytest.mark.parametrize("endings", LOGS, ids="".join)
def test_what_was_answered_is_found_though_the_log_was_deleted_while_nobody_checked(
    endings: tuple[str, ...], own_server: Server
) -> None:
    answer = own_server.check(**READ)
    _delete(own_server, *endings)
    told = _wait_for(lambda: _said(own_server, "database_files_changed"))
    own_server.stop(signal.SIGKILL)
    assert answer.body["request_id"] in _stored(own_server.database)
    assert told


def test_what_was_answered_is_found_where_the_database_was_moved_to(own_server: Server, tmp_path: Path) -> None:
    elsewhere = tmp_path / "moved.db"
    with Load(own_server, 8) as load:
        assert _wait_for(lambda: len(load.answered) > 50)
        own_server.database.rename(elsewhere)
        told = _wait_for(lambda: _said(own_server, "database_files_changed"))
        own_server.stop(signal.SIGKILL)
    assert _lost(load, _stored(elsewhere)) == []
    assert told
    assert (503, "service_unavailable") in load.refused


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "deleted"])
def test_what_was_answered_is_found_though_the_database_lost_its_last_name(
    replaced: bool, own_server: Server, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    migrated(other).close()
    whole = _stored(other)

    def saved() -> list[Path]:
        return [path for path in own_server.database.parent.glob("*.deleted-*") if ".partial" not in path.name]

    with Load(own_server, 8) as load:
        assert _wait_for(lambda: len(load.answered) > 50)
        if replaced:
            other.replace(own_server.database)
        else:
            own_server.database.unlink()
        told = _wait_for(saved)
        own_server.stop(signal.SIGKILL)
    assert told
    assert _lost(load, _stored(saved()[0])) == []
    assert saved()[0].stat().st_mode & 0o077 == 0
    if replaced:
        assert _stored(own_server.database) == whole


def test_what_a_command_changes_just_after_the_log_was_deleted_is_in_force(own_server: Server) -> None:
    assert own_server.check(**READ).body["verdict"] == "ALLOW"
    _delete(own_server, "-wal")
    stopped = own_server.cli("stop", "account", "dev", "--reason", "a test")
    assert stopped.returncode == 0, stopped.stderr.decode()
    answer = own_server.check(**READ)
    assert answer.status == 503 or answer.body["verdict"] == "DENY"
    own_server.stop(signal.SIGKILL)
    own_server.start()
    assert own_server.check(**READ).body["verdict"] == "DENY"


def _serve_under(server: Server, database: Path) -> str:
    """What a second server says that is started on a database by another name."""
    second = Server(server.folder, command="serve", environment={"STAGE0_DATABASE_URL": f"sqlite:///{database}"})
    second._environment["STAGE0_SECRET_KEY"] = (server.folder / "data" / "secret").read_text().strip()
    refused = second.cli("serve", "--port", "0")
    assert refused.returncode != 0
    return (refused.stdout + refused.stderr).decode()


def test_a_second_server_through_a_hard_link_is_refused_and_the_first_says_so_until_it_is_gone(
    own_server: Server, tmp_path: Path
) -> None:
    link = tmp_path / "another.db"
    os.link(own_server.database, link)
    assert "2 names (hard links)" in _serve_under(own_server, link)
    assert own_server.check(**READ).status == 503
    assert own_server.get("/health").status == 503
    assert _wait_for(lambda: _said(own_server, "2 names (hard links)"))
    link.unlink()
    assert own_server.check(**READ).status == 200
    assert own_server.get("/health").status == 200


def test_a_second_server_through_a_symbolic_link_is_refused(own_server: Server, tmp_path: Path) -> None:
    link = tmp_path / "another.db"
    link.symlink_to(own_server.database)
    assert "another server is running" in _serve_under(own_server, link)
    (tmp_path / "folder").symlink_to(own_server.database.parent)
    assert "another server is running" in _serve_under(own_server, tmp_path / "folder" / own_server.database.name)
    assert own_server.check(**READ).status == 200


def test_a_second_server_is_refused_though_the_lock_was_deleted(own_server: Server) -> None:
    _delete(own_server, ".lock")
    assert "another server is running" in _serve_under(own_server, own_server.database)


def test_a_log_of_a_database_that_was_exchanged_is_not_read_into_the_new_one(
    own_server: Server, tmp_path: Path
) -> None:
    """The old log still lies beside the new file: nothing of it must be found there."""
    other = tmp_path / "other.db"
    migrated(other).close()
    old = {own_server.check(**READ).body["request_id"] for _ in range(20)}
    kept = tmp_path / "kept.db"
    shutil.copy(own_server.database, kept)
    other.replace(own_server.database)
    assert _wait_for(lambda: _said(own_server, "database_files_changed"))
    own_server.stop(signal.SIGKILL)
    assert not old & set(_stored(own_server.database))
