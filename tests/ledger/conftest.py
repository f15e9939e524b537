"""One store suite, every database: a test that takes `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage0.ledger import open_store
from stage0.ledger.keys import Key
from stage0.ledger.migrate import migrate
from stage0.ledger.store import Store
from tests.ledger.opening import add_key, migrated
from tests.postgres import Cluster

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
