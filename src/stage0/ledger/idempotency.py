"""`Idempotency-Key`: for 24 hours the same key and body get the answer that was given first, an ALLOW while it holds.

It belongs to the API key that sent it. Errors are not stored: whoever got one may try again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from stage0.ledger.errors import IdempotencySpent
from stage0.reading.request import Caller
from stage0.wire import Enforcement, encode

#: Microseconds for which an answer is given again.
LIFETIME: Final = 24 * 3_600_000_000


class Token(msgspec.Struct, frozen=True):
    """A request's `Idempotency-Key`, hashed, and keyed hashes of its body, the newest root's first."""

    token: str
    bodies: tuple[str, ...]


class Basis(msgspec.Struct, frozen=True):
    """What a decision rested on besides the request: the pack, the words, the engine, what was known of the key."""

    pack: str
    digest: str
    lexicon: str
    engine: str
    caller: Caller


class Stored(msgspec.Struct, frozen=True):
    """What a token is bound to: the body's hash, the record's id, its verdict and answer, what the decision rested on,
    until when an ALLOW may be acted upon (Unix seconds), and whether an outcome of it was reported."""

    body: str
    request_id: str
    verdict: str
    answer: bytes
    basis: Basis
    valid_until: float
    reported: bool


def token_of(text: str, body: bytes, hashes: Callable[[bytes], list[str]]) -> Token:
    """The token of a request."""
    return Token(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), tuple(hashes(body)))


def is_current(stored: Stored, basis: Basis, now: float) -> bool:
    """Whether a stored answer may be given again: an ALLOW only while what decided it is unchanged, and only until it
    ends. The kill switch is asked before.

    Raises IdempotencySpent where an ALLOW was used."""
    if stored.verdict == "ALLOW" and stored.reported:
        raise IdempotencySpent(
            f"the action that `{stored.request_id}` allowed was reported as done; check again with a new "
            "Idempotency-Key"
        )
    return stored.verdict != "ALLOW" or (stored.basis == basis and now < stored.valid_until)


def again(stored: Stored, omits: frozenset[str], enforcement: Enforcement) -> bytes:
    """The stored answer, marked as such; whether it is enforced is as of now."""
    answer: dict[str, Any] = msgspec.json.decode(stored.answer)
    kept = {name: value for name, value in answer.items() if name not in omits}
    return encode({**kept, "cached": True, "meta": {**answer["meta"], "enforcement": enforcement}})
