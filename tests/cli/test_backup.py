"""`stage0 backup` and `stage0 restore`: whole under load, verified, and nothing is lost by either."""

from __future__ import annotations

import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from stage0.ledger import backup
from stage0.ledger.migrate import newest
from stage0.ledger.sqlite import sqlite_module
from tests.asserting import nonempty
from tests.cli.inside import run
from tests.running import KEY, Server


def _ok(server: Server, *arguments: str) -> tuple[str, str]:
    done = run(server, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def _refused(server: Server, *arguments: str) -> str:
    done = run(server, *arguments)
    assert done.returncode not in (0, 10), done.stdout.decode()
    return done.stderr.decode()


def _check(server: Server, goal: str) -> str:
    answer = server.check(goal=goal, tools=["search_tickets"])
    assert answer.status == 200, answer.body
    request_id: str = answer.body["request_id"]
    return request_id


def _ids(path: Path) -> set[str]:
    with closing(sqlite_module().connect(str(path))) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM decisions")}


def _change(path: Path, statement: str) -> None:
    with closing(sqlite_module().connect(str(path))) as connection, connection:
        connection.execute(statement)


@contextmanager
def _load(server: Server, clients: int) -> Iterator[list[str]]:
    """Clients that check as fast as they are answered. Gives the ids that were answered so far."""
    over = threading.Event()
    answered: list[str] = []

    def check(number: int) -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            answered.append(_check(server, f"List the tickets of user {number}-{turn}"))

    threads = [threading.Thread(target=check, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _after(answered: list[str], count: int) -> list[str]:
    """What was answered, once it is so much."""
    patience = time.monotonic() + 60
    while len(answered) < count:
        assert time.monotonic() < patience, f"{len(answered)} of {count} checks were answered"
        time.sleep(0.01)
    return list(answered)


# -- both together


def test_a_backup_made_under_load_has_every_check_that_was_answered_before_and_runs_a_server(
    own_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_STEP", 5)  # many steps, with commits in between
    saved = tmp_path / "saved.db"
    with _load(own_server, 8) as answered:
        before = _after(answered, 150)
        out, beside = _ok(own_server, "backup", str(saved))
        _after(answered, len(answered) + 50)
    assert out.startswith(f"{saved}: ")
    assert out.endswith(f"revision {newest()}, verified\n")
    assert "keep the root key" in beside
    assert set(before) <= _ids(saved) < set(answered) | _ids(saved)
    assert _ids(own_server.database) >= set(answered)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    secret = (own_server.folder / "data" / "secret").read_text().strip()
    other = Server(elsewhere, environment={"STAGE0_SECRET_KEY": secret})
    out, _ = _ok(other, "restore", str(saved))
    assert out.startswith(f"{other.database}: restored from {saved}, revision {newest()}\n")
    assert "root key is not in a backup" in out
    assert "before-restore" not in out
    with other:
        for request_id in (before[0], before[-1]):
            assert other.get(f"/checks/{request_id}", key=KEY).status == 200
        assert _check(other, "List the open tickets") not in before


def test_restore_keeps_the_database_of_now_with_all_that_its_log_holds(own_server: Server, tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    first = _check(own_server, "List the tickets of user 1")
    _ok(own_server, "backup", str(saved))
    second = _check(own_server, "List the tickets of user 2")
    own_server.stop(signal.SIGKILL)
    out, _ = _ok(own_server, "restore", str(saved))
    kept, log = sorted(own_server.database.parent.glob("stage0.db.before-restore-*"))
    assert log == Path(f"{kept}-wal")
    assert f"{kept}: the database until now" in out
    assert kept.stat().st_mode & 0o777 == own_server.database.stat().st_mode & 0o777 == 0o600
    assert _ids(kept) == {first, second}
    assert _ids(saved) == {first}
    assert not list(own_server.database.parent.glob("*.part"))
    own_server.start()
    assert own_server.get(f"/checks/{first}", key=KEY).status == 200
    assert own_server.get(f"/checks/{second}", key=KEY).status == 404
    _ok(own_server, "backup", str(saved), "--force")


def test_a_damaged_database_is_kept_with_its_log_and_replaced(own_server: Server, tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    first = _check(own_server, "List the open tickets")
    _ok(own_server, "backup", str(saved))
    own_server.stop(signal.SIGKILL)
    log = own_server.database.with_name("stage0.db-wal")
    log.write_bytes(b"a log")
    own_server.database.write_bytes(b"no database any more")
    _ok(own_server, "restore", str(saved))
    assert _ids(own_server.database) == {first}
    kept = sorted(own_server.database.parent.glob("stage0.db.before-restore-*"))
    assert [each.read_bytes() for each in kept] == [b"no database any more", b"a log"]
    assert not log.exists()


# -- backup


def test_a_backup_is_one_file_for_its_owner_alone_and_not_overwritten_unasked(server: Server, tmp_path: Path) -> None:
    saved = tmp_path / "out" / "saved %?#.db"
    saved.parent.mkdir()
    first = _check(server, "List the tickets of user 1")
    _ok(server, "backup", str(saved))
    assert saved.stat().st_mode & 0o777 == 0o600
    second = _check(server, "List the tickets of user 2")
    assert f"`{saved}` exists" in _refused(server, "backup", str(saved))
    assert list(saved.parent.iterdir()) == [saved]
    assert first in _ids(saved)
    assert second not in _ids(saved)
    _ok(server, "backup", str(saved), "--force")
    assert list(saved.parent.iterdir()) == [saved]
    assert {first, second} <= _ids(saved)


def test_where_there_is_no_database_nothing_is_made(tmp_path: Path) -> None:
    absent = Server(tmp_path, environment={"STAGE0_SECRET_KEY": "a-root-key-of-the-backup-tests-01"})
    assert "there is no database" in _refused(absent, "backup", str(tmp_path / "saved.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(server: Server, tmp_path: Path) -> None:
    assert "cannot be written" in _refused(server, "backup", str(tmp_path / "nowhere" / "saved.db"))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_on_postgresql_its_own_tools_are_named(command: str, tmp_path: Path) -> None:
    shared = Server(
        tmp_path,
        environment={
            "STAGE0_DATABASE_URL": "postgresql://stage0:secret-word@127.0.0.1:1/stage0",
            "STAGE0_SECRET_KEY": "a-root-key-of-the-backup-tests-01",
        },
    )
    said = _refused(shared, command, str(tmp_path / "saved.db"))
    assert "pg_dump" in said
    assert "pg_basebackup" in said
    assert "secret-word" not in said


# -- restore


def test_restore_is_refused_while_a_server_runs(server: Server, tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    _ok(server, "backup", str(saved))
    before = server.database.stat().st_ino
    assert "a server is running on" in _refused(server, "restore", str(saved))
    assert server.database.stat().st_ino == before
    _check(server, "List the open tickets")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)


def _text(path: Path) -> None:
    path.write_text("this is no database\n" * 100)


def _other(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


def _newer(path: Path) -> None:
    _change(path, "UPDATE alembic_version SET version_num = '9999'")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A folder with a database that no server holds, and a backup of it beside."""
    server = Server(tmp_path_factory.mktemp("stopped"))
    with server:
        _check(server, "List the open tickets")
        _ok(server, "backup", str(server.folder / "saved.db"))
    return server


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, "damaged|malformed"),
        (_scribble, "damaged|malformed"),
        (_text, "not a database"),
        (_empty, "is not a database of Stage0"),
        (_other, "is not a database of Stage0"),
        (_newer, "revision `9999`.*knows none after"),
        (Path.unlink, "there is no file"),
    ],
)
def test_what_is_no_whole_backup_is_refused_and_the_database_stays(
    spoil: Callable[[Path], None], said: str, stopped: Server, tmp_path: Path
) -> None:
    spoiled = tmp_path / "saved.db"
    spoiled.write_bytes((stopped.folder / "saved.db").read_bytes())
    spoil(spoiled)
    before = stopped.database.read_bytes()
    message = _refused(stopped, "restore", str(spoiled))
    assert re.search(said, message), message
    assert stopped.database.read_bytes() == before
    assert not [
        path for path in nonempty(stopped.database.parent.iterdir()) if "restore" in path.name or "part" in path.name
    ]


def test_after_an_older_backup_it_says_to_migrate(stopped: Server, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    older.write_bytes((stopped.folder / "saved.db").read_bytes())
    _change(older, "UPDATE alembic_version SET version_num = '0001'")
    elsewhere = Server(tmp_path, environment={"STAGE0_SECRET_KEY": "a-root-key-of-the-backup-tests-01"})
    out, _ = _ok(elsewhere, "restore", str(older))
    assert "revision 0001\n" in out
    assert f"this version needs revision {newest()}: run `stage0 migrate`" in out


def test_a_copy_made_by_hand_is_restored_with_the_log_beside_it(own_server: Server, tmp_path: Path) -> None:
    request_id = _check(own_server, "List the open tickets")
    own_server.stop(signal.SIGKILL)
    copy = tmp_path / "copy.db"
    for end in ("", "-wal"):
        Path(f"{copy}{end}").write_bytes(Path(f"{own_server.database}{end}").read_bytes())
    elsewhere = Server(tmp_path / "elsewhere", environment={"STAGE0_SECRET_KEY": "a-root-key-of-the-backup-tests-01"})
    _ok(elsewhere, "restore", str(copy))
    assert _ids(elsewhere.database) == {request_id}
