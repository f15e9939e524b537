"""`Idempotency-Key`: for 24 hours the same key and body get the answer that was given first.

It belongs to the API key that sent it. Errors are not stored: whoever got one may try again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from stage0.ledger.errors import IdempotencyConflict, IdempotencySpent
from stage0.wire import Enforcement, encode

#: Microseconds for which an answer is given again.
LIFETIME: Final = 24 * 3_600_000_000


class Token(msgspec.Struct, frozen=True):
    """A request's `Idempotency-Key`, hashed, and keyed hashes of its body, the newest root's first."""

    token: str
    bodies: tuple[str, ...]


class Stored(msgspec.Struct, frozen=True):
    """What a token is bound to: the body's hash, the record's id, its verdict and answer, and whether an outcome of it
    was reported."""

    body: str
    request_id: str
    verdict: str
    answer: bytes
    reported: bool


def token_of(text: str, body: bytes, hashes: Callable[[bytes], list[str]]) -> Token:
    """The token of a request."""
    return Token(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), tuple(hashes(body)))


def again(stored: Stored, token: Token, omits: frozenset[str], enforcement: Enforcement) -> bytes:
    """The stored answer, marked as such; whether it is enforced is as of now.

    Raises IdempotencyConflict, or IdempotencySpent where an ALLOW was used."""
    if stored.body not in token.bodies:
        raise IdempotencyConflict("this Idempotency-Key was used with another body; use a new one for a new request")
    if stored.verdict == "ALLOW" and stored.reported:
        raise IdempotencySpent(
            f"the action that `{stored.request_id}` allowed was reported as done; check again with a new "
            "Idempotency-Key"
        )
    answer: dict[str, Any] = msgspec.json.decode(stored.answer)
    kept = {name: value for name, value in answer.items() if name not in omits}
    return encode({**kept, "cached": True, "meta": {**answer["meta"], "enforcement": enforcement}})
