"""The light client: asks a Stage0 server for decisions and fails closed."""

from __future__ import annotations

from stage0.client.client import AsyncClient, Client
from stage0.client.errors import Stage0Error

__all__ = ["AsyncClient", "Client", "Stage0Error"]
