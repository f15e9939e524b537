"""Several server processes on one PostgreSQL: exact counts, crashes, and a database that goes away and comes back."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, LiteralString, NamedTuple

import psycopg
import pytest

from stage0.ledger import open_store
from stage0.ledger.accounts import create_account
from stage0.ledger.keyring import Keyring
from stage0.ledger.keys import create_key
from tests.asserting import nonempty
from tests.catalogue import CATALOGUE
from tests.loading import Load
from tests.postgres import ROLE, Cluster
from tests.running import STAGE0, Server

_numbers = itertools.count(1)
HOWS: Final[tuple[Literal["fast", "immediate"], ...]] = ("fast", "immediate")
SECRET = "root-key-of-two-servers-000000001"


def _environment(url: str) -> dict[str, str]:
    return {"STAGE0_DATABASE_URL": url, "STAGE0_SECRET_KEY": SECRET}


def _servers(folder: Path, url: str, count: int) -> list[Server]:
    environment = _environment(url)
    servers = []
    for number in range(count):
        (folder / str(number)).mkdir()
        servers.append(Server(folder / str(number), environment=environment))
    return servers


def _url(postgres: Cluster) -> Iterator[str]:
    name = f"servers_{next(_numbers)}"
    yield postgres.create(name)
    postgres.drop(name)


url = pytest.fixture(_url)
shared_url = pytest.fixture(_url, scope="module")


@pytest.fixture(scope="module")
def pair(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two servers, each a process of its own, on one database."""
    servers = _servers(tmp_path_factory.mktemp("pair"), shared_url, 2)
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()


class Issued(NamedTuple):
    """A key of a new account."""

    text: str
    account: str


@pytest.fixture
def key(shared_url: str, pair: list[Server]) -> Issued:
    return _issue(shared_url, "enterprise")


def _issue(url: str, plan: str) -> Issued:
    store = open_store(url)
    try:
        with store.writer.begin() as connection:
            account = create_account(
                connection, CATALOGUE, name=f"account-{next(_numbers)}", plan=plan, actor="t", now=time.time()
            )
            _, text = create_key(
                connection, CATALOGUE, Keyring([SECRET]), account=account.id, actor="t", now=time.time()
            )
    finally:
        store.close()
    return Issued(text, account.id)


def _stored(url: str, account: str) -> dict[str, str]:
    """Request id to goal of every record of an account."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id, record FROM decisions WHERE account_id = %s", (account,)).fetchall()
    return {identifier: json.loads(record)["request"]["goal"] for identifier, record in rows}


def _number(url: str, query: LiteralString, account: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query, (account,)).fetchone()
    assert row is not None
    return int(row[0] or 0)


def _used(url: str, account: str) -> int:
    """What the keys of an account have used this month."""
    return _number(url, "SELECT sum(month_used) FROM usage WHERE account_id = %s", account)


def test_sixty_four_clients_of_two_servers_are_each_recorded_and_counted_once(
    pair: list[Server], shared_url: str, key: Issued
) -> None:
    with Load(pair[0], 32, key=key.text) as one, Load(pair[1], 32, key=key.text) as other:
        time.sleep(2)
    answered = [*one.answered, *other.answered]
    stored = _stored(shared_url, key.account)
    assert len(one.answered) > 32
    assert len(other.answered) > 32
    assert len(stored) == len(answered) == _used(shared_url, key.account)
    assert all(stored[request_id] == goal for _, request_id, goal in nonempty(answered))


def _await_more(load: Load, before: int) -> None:
    until = time.monotonic() + 60
    while len(load.answered) <= before:
        assert time.monotonic() < until, "no check is answered any more"
        time.sleep(0.01)


def test_when_one_of_two_servers_is_killed_nothing_that_was_answered_is_lost(
    pair: list[Server], shared_url: str, key: Issued
) -> None:
    with Load(pair[0], 32, key=key.text) as dying, Load(pair[1], 32, key=key.text) as living:
        _await_more(dying, 0)
        assert pair[0].stop(signal.SIGKILL) == -signal.SIGKILL
        _await_more(living, len(living.answered))  # the other one goes on
    answered = [*dying.answered, *living.answered]
    stored = _stored(shared_url, key.account)
    assert all(stored.get(request_id) == goal for _, request_id, goal in nonempty(answered))
    # What was under way in the one that died may be recorded without having been answered, and is counted then.
    assert _used(shared_url, key.account) == len(stored) >= len(answered)
    pair[0].start()
    assert pair[0].check(key=key.text, goal="List the open tickets", tools=["search_tickets"]).status == 200


def test_a_quota_of_n_gives_exactly_n_answers_to_sixty_four_clients_in_a_race(
    pair: list[Server], shared_url: str
) -> None:
    key = _issue(shared_url, "starter")
    with Load(pair[0], 32, key=key.text) as one, Load(pair[1], 32, key=key.text) as other:
        for _ in range(100):
            time.sleep(0.1)
            if one.refused and other.refused:
                break
    answered = len(one.answered) + len(other.answered)
    # A minute may turn during the test.
    minutes = "SELECT count(DISTINCT created_at / 60000000) FROM decisions WHERE account_id = %s"
    assert answered == 120 * _number(shared_url, minutes, key.account)
    assert {*one.refused, *other.refused} == {(429, "rate_limited")}
    assert pair[1].get("/usage", key=key.text).body["daily_used"] == answered


def test_a_key_that_is_revoked_beside_the_servers_is_refused_by_all_of_them_at_once(
    pair: list[Server], key: Issued
) -> None:
    assert [server.check(key=key.text, goal="List the tickets").status for server in pair] == [200, 200]
    assert pair[0].cli("keys", "revoke", pair[0].get("/usage", key=key.text).body["api_key_id"]).returncode == 0
    assert [server.check(key=key.text, goal="List the tickets").status for server in pair] == [401, 401]


def test_while_postgresql_is_away_there_is_no_verdict_and_then_recovery(tmp_path: Path) -> None:
    with Cluster() as cluster:
        url = cluster.create("away")
        (server,) = _servers(tmp_path, url, 1)
        with server:
            for how in HOWS:
                _away(server, cluster, url, how)


def _away(server: Server, cluster: Cluster, url: str, how: Literal["fast", "immediate"]) -> None:
    key = _issue(url, "enterprise")
    with Load(server, 16, key=key.text) as load:
        time.sleep(0.5)
        cluster.stop(how)
        before = len(load.answered)
        time.sleep(1)
        answer = server.check(goal="List the open tickets", tools=["search_tickets"])
        assert (answer.status, answer.body["error"]) == (503, "service_unavailable")
        assert "verdict" not in answer.body
        assert answer.headers["retry-after"]
        assert server.get("/health").status == 503
        assert len(load.answered) <= before + 16, "answers that were on their way, and no others"
        cluster.start()
        for _ in range(200):
            if server.check(goal="List the open tickets", tools=["search_tickets"]).status == 200:
                break
            time.sleep(0.05)
        assert server.get("/health").status == 200
        time.sleep(0.5)
    assert {status for status, _ in load.refused} == {503}
    stored = _stored(url, key.account)
    assert all(stored.get(request_id) == goal for _, request_id, goal in nonempty(load.answered))


def test_two_workers_of_one_command_serve_one_port(url: str, tmp_path: Path) -> None:
    (server,) = _servers(tmp_path, url, 1)
    assert server.cli("migrate").returncode == 0
    key = _issue(url, "enterprise")
    workers = Server(server.folder, command="serve", environment={**server.environment, "STAGE0_WORKERS": "2"})
    with workers, Load(workers, 16, key=key.text) as load:
        time.sleep(1)
    assert len(_stored(url, key.account)) == len(load.answered) > 16


def test_a_database_that_is_not_there_is_a_clear_error_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://u:pass-word@127.0.0.1:1/none"
    server = Server(tmp_path, environment={**_environment(url), "STAGE0_DATABASE_WAIT": "1"})
    refused = server.cli("serve", "--port", "0")
    said = refused.stderr.decode()
    assert refused.returncode != 0
    assert "waiting" in said
    assert "cannot be used" in said
    assert "Traceback" not in said
    assert "pass-word" not in said


@pytest.mark.parametrize("who", [f"{ROLE}:pass-word@", "somebody:pass-word@"], ids=["no such database", "no such role"])
def test_a_database_that_answers_and_refuses_is_not_waited_for(who: str, postgres: Cluster, tmp_path: Path) -> None:
    url = postgres.url("none").replace(f"{ROLE}@", who)
    for command in ("migrate", "serve", "dev"):
        refused = Server(tmp_path, environment=_environment(url)).cli(command)
        said = refused.stderr.decode()
        assert refused.returncode != 0
        assert "cannot be used" in said
        assert "waiting" not in said
        assert "pass-word" not in said


def test_what_is_started_before_postgresql_waits_for_it(tmp_path: Path) -> None:
    """Nobody listens at first; then a server that says that it is starting up; then it takes connections."""
    with Cluster() as cluster:
        url = cluster.create("late")
        socket_url = f"postgresql://{ROLE}@/late?host={cluster.folder}&port={cluster.port}"
        (tmp_path / "dev").mkdir()
        dev = Server(tmp_path / "dev", environment=_environment(url))
        cluster.stop()
        with _waiting(dev, "dev", "--port", str(dev.port)) as starting:
            with _waiting(Server(tmp_path, environment=_environment(socket_url)), "migrate") as migrating:
                cluster.begin()
                with _waiting(dev, "serve", "--port", "0") as other:
                    assert starting.poll() is None
                    other.kill()
                cluster.finish_starting()
                assert migrating.wait(60) == 0
            for _ in range(600):
                with contextlib.suppress(OSError):
                    if dev.get("/health").status == 200:
                        break
                time.sleep(0.05)
            assert dev.check(goal="List the open tickets", tools=["search_tickets"]).status == 200
            starting.terminate()


@contextlib.contextmanager
def _waiting(server: Server, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A command, from when it has said that it waits."""
    started = [STAGE0, *command]
    with subprocess.Popen(
        started, cwd=server.folder, env=server.environment, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stderr is not None
            line = running.stderr.readline()
            assert "takes no connections yet" in line, line
            yield running
        finally:
            running.kill()


def test_servers_that_migrate_at_the_same_time_do_it_one_after_the_other(url: str, tmp_path: Path) -> None:
    (server,) = _servers(tmp_path, url, 1)
    started = [
        subprocess.Popen([STAGE0, "migrate"], env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in nonempty(started):
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


def test_where_commits_would_not_be_durable_the_server_does_not_start(tmp_path: Path) -> None:
    with Cluster() as cluster:
        url = cluster.create("unsafe")
        (server,) = _servers(tmp_path, url, 1)
        assert server.cli("migrate").returncode == 0
        cluster.execute("ALTER SYSTEM SET fsync = off")
        cluster.stop("fast")
        cluster.start()
        refused = server.cli("serve", "--port", "0")
        assert refused.returncode != 0
        assert "before it is durable" in refused.stderr.decode()
