"""One HTTP request as a whole: what its method, address and body do together, whoever sends it.

The same request is the same act as the arguments of a tool, behind `curl`, or in a program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from stage0.reading.effects import HARMLESS, Effect
from stage0.reading.http.address import METHODS, OPERATIONS, READING, is_search, read_url, split_url
from stage0.reading.http.graphql import looks_like_graphql, read_graphql
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.result import TEXT_LIMIT
from stage0.reading.sql.statements import read_sql
from stage0.reading.sql.text import starts_sql
from stage0.reading.verbs import verb_effects

#: Hosts that pass a message on to people, and where on them, by their own documentation.
_MESSENGERS: Final[tuple[tuple[str, str], ...]] = (
    ("hooks.slack.com", "/services/"),
    ("hooks.slack.com", "/workflows/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("outlook.office.com", "/webhook"),
    ("chat.googleapis.com", "/v1/spaces/"),
    ("api.pushover.net", "/1/messages"),
    ("ntfy.sh", "/"),
    ("api.twilio.com", "/2010-04-01/"),
    ("api.mailgun.net", "/v3/"),
    ("api.postmarkapp.com", "/email"),
    ("api.resend.com", "/emails"),
)
_FIELDS: Final = 200


def read_request(method: str, url: str, bodies: tuple[str, ...], lexicon: Lexicon) -> tuple[Effect, ...]:
    """The effects of a request beside what its `method` (lower case) does by itself: by its address and by what its
    bodies ask for. Empty where neither says more."""
    found: dict[Effect, None] = {}
    address = read_url(url, method, lexicon) if url else None
    if address is not None:
        found.update((seen.effect, None) for seen in address.seen)
        if not address.read:
            found["unknown"] = None
    if method not in READING:
        if url and tells_people(url):
            found["external_message"] = None
        for body in bodies:
            found.update(dict.fromkeys(asked_for(body, lexicon)))
    return tuple(found)


def only_asks(url: str, bodies: tuple[str, ...], lexicon: Lexicon) -> bool:
    """Whether the body of a POST proves that it only asks: a GraphQL query, a documented search."""
    if url and is_search(url):
        return True
    for body in bodies:
        document = _document(body)
        if document:
            reading = read_graphql(document, lexicon)
            return reading.read and all(seen.effect == "read" for seen in reading.seen)
    return False


def effects_of_method(method: str) -> tuple[Effect, ...]:
    """What a method does by itself; `unknown` where it is none."""
    effect = METHODS.get(method.lower())
    if effect is None:
        return ("unknown",)
    return (effect,) if effect == "network_read" else ("network_read", effect)


def tells_people(url: str) -> bool:
    """Whether an address passes on to people what is sent there."""
    try:
        parts = split_url(url if "//" in url else f"//{url}")
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    return any(host == name and parts.path.startswith(path) for name, path in _MESSENGERS)


def asked_for(body: str, lexicon: Lexicon) -> Iterator[Effect]:
    """What a body asks for: GraphQL, JSON-RPC, an operation by its name, SQL."""
    if not body or len(body) > TEXT_LIMIT:
        return
    document = _document(body)
    if document:
        reading = read_graphql(document, lexicon)
        if not reading.read:
            yield "unknown"
        yield from (seen.effect for seen in reading.seen)
    elif starts_sql(body):
        sql = read_sql(body, None, lexicon)
        yield from (seen.effect for seen in sql.seen)
    for name, value in _named(body):
        if name.lower() in OPERATIONS and isinstance(value, str):
            verb = METHODS.get(value.lower()) if name.lower() in ("_method", "method") else None
            effects = (verb,) if verb else verb_effects(value, lexicon)
            yield from (effect for effect in effects if effect not in HARMLESS)


def _document(body: str) -> str:
    """The GraphQL document of a body; empty where it has none."""
    if looks_like_graphql(body) and not body.lstrip().startswith('{"'):
        return body
    for name, value in _named(body):
        if name == "query" and isinstance(value, str) and looks_like_graphql(value):
            return value
    return ""


def _named(body: str) -> Iterator[tuple[str, Any]]:
    """The fields of a body: of a JSON object, or of a form."""
    if body.lstrip()[:1] == "{":
        try:
            value = msgspec.json.decode(body.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        if isinstance(value, Mapping):
            yield from list(value.items())[:_FIELDS]
    elif "=" in body:
        yield from parse_qsl(body, max_num_fields=None)[:_FIELDS]
