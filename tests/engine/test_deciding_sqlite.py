"""What decides, on SQLite: a server, and another process that writes beside it."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.engine.deciding import Deciding
from tests.ledger.opening import Running, migrated
from tests.soaking import sequences


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """While this lasts no file of this process grows past its first page: commits fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.stateful
@pytest.mark.timeout(0)
def test_no_check_is_decided_by_anything_but_what_was_committed_before_its_batch_or_written_in_it(
    tmp_path: Path,
) -> None:
    store = migrated(tmp_path / "deciding.db")
    with Running(store) as server:

        class OnSqlite(Deciding):
            failing = staticmethod(full_disk)

        OnSqlite.store, OnSqlite.servers = store, [server]
        run_state_machine_as_test(OnSqlite, settings=sequences(1_500, stateful_step_count=8))
    store.close()
