"""The PostgreSQL of the tests: what it promises to those that stop it, and that it leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.postgres import Cluster

ROOT: Final = Path(__file__).parent.parent
HANGING: Final = """
from tests.postgres import Cluster
with Cluster() as running:
    print(running.folder, running.url("postgres"), flush=True)
    input()
"""


def test_a_copy_of_a_database_holds_its_rows_and_belongs_to_a_role_without_rights(postgres: Cluster) -> None:
    with psycopg.connect(postgres.create("fixture_template")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with psycopg.connect(postgres.create("fixture_copy", "fixture_template"), autocommit=True) as connection:
        assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]
        assert connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchall() == [(False,)]
        postgres.drop("fixture_copy")
    postgres.drop("fixture_template")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(postgres.url("fixture_copy"))


def test_what_was_committed_is_there_after_a_crash_and_a_start_on_the_same_port() -> None:
    with Cluster() as own:
        url = own.create("kept")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
            own.stop("immediate")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT one FROM kept")
        own.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]
        folder = own.folder
    assert not folder.exists()


def test_tests_that_are_killed_leave_neither_process_nor_folder() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout
        folder, url = killed.stdout.readline().split()
        psycopg.connect(url).close()
        killed.kill()
    end = time.monotonic() + 30
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(folder).exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)
