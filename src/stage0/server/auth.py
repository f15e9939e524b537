"""Who is calling: the API key, its status and its scopes."""

from __future__ import annotations

from stage0.engine import Engine
from stage0.ledger.keys import Key, well_formed
from stage0.server.errors import ApiError


async def authenticate(engine: Engine, header: str | None, *, fresh: bool = True) -> Key:
    """The active key of an `x-api-key` header. Raises ApiError 401 or 403.

    `fresh=False` is for checks alone: their batch looks at the key again before anything is decided."""
    text = (header or "").strip()
    if not text:
        raise ApiError(401, "api_key_missing", "No API key: send it in the header `x-api-key`.")
    key = await engine.key(text, fresh=fresh) if well_formed(text) else None
    if key is None:
        raise ApiError(401, "api_key_invalid", "This API key is not known.")
    refuse_inactive(key.status_at(engine.clock()))
    return key


def refuse_inactive(status: str) -> None:
    """Raises ApiError unless a key's status is active."""
    if status == "disabled":
        raise ApiError(403, "api_key_disabled", "This API key is disabled.")
    if status != "active":
        raise ApiError(401, "api_key_invalid", f"This API key is {status}.")


def require_scope(key: Key, *scopes: str) -> None:
    """Raises ApiError 403 unless the key has one of the scopes; `admin` has all."""
    if not key.scopes.intersection((*scopes, "admin")):
        wanted = " or ".join(f"`{scope}`" for scope in scopes)
        raise ApiError(403, "scope_missing", f"This needs an API key with the scope {wanted}.")
