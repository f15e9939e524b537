"""What every test can use: the packs, a decision in process, and a real server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from stage0.core.pack import Pack
from stage0.policy import shipped_packs
from tests.postgres import Cluster
from tests.running import Server

settings.register_profile(
    "stage0", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("stage0")


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
