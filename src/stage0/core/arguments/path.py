"""File paths: which of them hold secrets, by the field's conventions."""

from __future__ import annotations

import re
from typing import Final

from stage0.core.arguments.reading import ArgumentReading, whole

_SECRET: Final = re.compile(
    r"(?:^|[/\\])(?:\.env(?:\.(?!example|sample|template|dist)[\w.-]+)?|\.netrc|\.pgpass|\.npmrc|\.pypirc|\.git-credentials"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|shadow|credentials|kubeconfig|[\w.-]+\.(?:pem|key|p12|pfx|jks|kdbx|keystore))$"
    r"|(?:^|[/\\])\.(?:ssh|aws|gnupg)[/\\](?!config$|known_hosts$|[\w.-]+\.pub$)|(?:^|[/\\])\.kube[/\\]",
    re.IGNORECASE,
)


def holds_secrets(path: str) -> bool:
    """Whether a path is one where secrets are kept (`.env`, private keys, cloud credentials)."""
    return bool(_SECRET.search(path.strip()))


def read_path(path: str) -> ArgumentReading:
    """Access to secrets where the path is known to hold them, else nothing."""
    return whole(path, "secret_access") if holds_secrets(path) else ArgumentReading(())
