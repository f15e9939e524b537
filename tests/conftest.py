"""What every test can use: the packs, a decision in process, and a real server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from stage0.core.pack import Pack
from stage0.ledger import open_store
from stage0.ledger.keys import Key
from stage0.ledger.migrate import migrate
from stage0.ledger.store import Store
from stage0.policy import shipped_packs
from tests.ledger.opening import add_key, migrated
from tests.postgres import Cluster
from tests.running import Server

settings.register_profile(
    "stage0", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile("quick", settings.get_profile("stage0"), max_examples=15)
settings.load_profile("stage0")

#: Fixtures that start a process.
STARTING: Final = frozenset({"own_server", "postgres", "server"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what a process is started for: `make quick` leaves it out."""
    for item in items:
        if isinstance(item, pytest.Function) and not STARTING.isdisjoint(item.fixturenames):
            item.add_marker("process")


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> None:
    """Settings of whoever runs the tests do not reach them."""
    for name in [name for name in os.environ if name.startswith(("STAGE0_", "PG"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def default_pack() -> Pack:
    """The default pack."""
    return shipped_packs()["stage0-default"]


@pytest.fixture(scope="session")
def strict_pack() -> Pack:
    """The strict pack."""
    return shipped_packs()["stage0-strict"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One `stage0 dev` for all tests that do not harm it."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A `stage0 dev` of one's own, to kill, fill up or lock."""
    with Server(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One PostgreSQL for all tests that do not stop it. Each makes databases of its own in it."""
    with Cluster() as running:
        yield running


# -- one store suite, every database: a test that takes `store` runs on SQLite and on PostgreSQL

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def template(postgres: Cluster) -> str:
    """A migrated database on PostgreSQL, to copy."""
    store = open_store(postgres.create("template_of_tests"))
    migrate(store.writer)
    store.close()
    return "template_of_tests"


BOTH = ("sqlite", "postgresql")


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A migrated store, of each kind."""
    if request.param == "sqlite":
        made: Store = migrated(tmp_path / "ledger.db")
        yield made
        made.close()
    else:
        yield from _on_postgresql(request, template=request.getfixturevalue("template"))


@pytest.fixture(params=BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store without tables, of each kind."""
    if request.param == "sqlite":
        made: Store = open_store(f"sqlite:///{tmp_path}/empty.db")
        made.create()
        yield made
        made.close()
    else:
        yield from _on_postgresql(request, template=None)


def _on_postgresql(request: pytest.FixtureRequest, template: str | None) -> Iterator[Store]:
    cluster: Cluster = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    made = open_store(cluster.create(name, template=template))
    yield made
    made.close()
    cluster.drop(name)


@pytest.fixture
def key(store: Store) -> Key:
    """A key of an account on the plan Enterprise."""
    return add_key(store)[0]
