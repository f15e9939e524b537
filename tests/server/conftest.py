"""What tests of the server share: an account on each plan."""

from __future__ import annotations

import pytest

from tests.running import Server


@pytest.fixture(scope="session")
def plan_keys(server: Server) -> dict[str, str]:
    """One key for each plan, of an account on that plan, made through the command line."""
    keys = {}
    for plan in ("free", "starter", "pro", "enterprise"):
        made = server.cli("account", "create", f"on-{plan}", "--plan", plan)
        assert made.returncode == 0, made.stderr.decode()
        keys[plan] = server.new_key(account=f"on-{plan}")
    return keys
