"""One root key, from which all others are derived. Several may be given, newest first: that is rotation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Final

from stage0.ledger.errors import Refused

_MINIMUM: Final = 32


class Keyring:
    """Keys derived from `STAGE0_SECRET_KEY`. New hashes use the newest root; older roots still match."""

    def __init__(self, roots: Sequence[str]) -> None:
        """Raises Refused where a root is too short to be a key."""
        if not roots:
            raise Refused(
                "STAGE0_SECRET_KEY is empty; make one with `python -c 'import secrets; print(secrets.token_hex(32))'`"
            )
        for root in roots:
            if len(root) < _MINIMUM:
                raise Refused(f"STAGE0_SECRET_KEY has {len(root)} characters; at least {_MINIMUM} are needed")
        self._hash_keys = [_derive(root, b"api-key-hash") for root in roots]
        self._body_keys = [_derive(root, b"body-hash") for root in roots]
        #: Eight hex digits that tell secrets apart and say nothing of them. Of the keys it holds its own alone.
        self.fingerprint = partial(_fingerprint, _derive(roots[0], b"secret-mask"))

    def hashes(self, api_key: str) -> list[str]:
        """The keyed hash of an API key under each root, newest first."""
        text = api_key.encode("utf-8", "surrogatepass")
        return [hmac.digest(key, text, "sha256").hex() for key in self._hash_keys]

    def body_hashes(self, body: bytes) -> list[str]:
        """The keyed hash of a request's body under each root, newest first. It may hold secrets."""
        return [hmac.digest(key, body, "sha256").hex() for key in self._body_keys]


def _fingerprint(key: bytes, secret: str) -> str:
    return hmac.digest(key, secret.encode("utf-8", "surrogatepass"), "sha256").hex()[:8]


def _derive(root: str, label: bytes) -> bytes:
    """One step of HKDF-Expand (RFC 5869) with SHA-256: a root of full entropy needs no extraction."""
    return hmac.digest(hashlib.sha256(root.encode()).digest(), b"stage0/" + label + b"\x01", "sha256")


def new_root() -> str:
    """A new root key: 256 random bits in hex."""
    return secrets.token_hex(32)
