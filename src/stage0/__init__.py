"""Stage0: self-hosted runtime authorization for AI agents.

Importing this package loads the light client's names on first use, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stage0.client import AsyncClient, Client, Stage0Error
    from stage0.client.guard import AsyncGuard, Blocked, Guard

__all__ = ["AsyncClient", "AsyncGuard", "Blocked", "Client", "Guard", "Stage0Error", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("stage0")
    if name in ("AsyncGuard", "Blocked", "Guard"):
        from stage0.client import guard

        return getattr(guard, name)
    if name in __all__:
        from stage0 import client

        return getattr(client, name)
    raise AttributeError(f"module `stage0` has no attribute `{name}`")
