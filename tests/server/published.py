"""Two published ways to call a server from Python: the standard library's, and `requests`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest
import requests


class Seen(NamedTuple):
    """An HTTP answer as a client sees it. Names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


Send = Callable[[str, dict[str, Any] | None, dict[str, str]], Seen]


def by_urllib(url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Seen:
    """A POST of JSON, or a GET where there is no body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Seen(response.status, _lower(response.headers.items()), json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return Seen(error.code, _lower(error.headers.items()), json.load(error))


def by_requests(url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Seen:
    """A POST of JSON, or a GET where there is no body."""
    method = "GET" if body is None else "POST"
    response = requests.request(method, url, json=body, headers=headers, timeout=30)
    return Seen(response.status_code, _lower(response.headers.items()), response.json())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


class Published:
    """A client as it is published: `check` and `get_usage`, with one key."""

    def __init__(self, send: Send, url: str, key: str) -> None:
        self._send, self._url, self._key = send, url, key

    def check(self, body: dict[str, Any], **headers: str) -> Seen:
        """`POST /check`. Of further headers, `_` in the name stands for `-`."""
        further = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send(f"{self._url}/check", body, {"x-api-key": self._key, **further})

    def get_usage(self) -> Seen:
        """`GET /usage`."""
        return self._send(f"{self._url}/usage", None, {"x-api-key": self._key})


each_way: Final = pytest.mark.parametrize("way", [by_urllib, by_requests], ids=["urllib", "requests"])
