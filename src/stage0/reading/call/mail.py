"""Messages in arguments: somebody to send to, by address, together with something to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_ADDRESS: Final = re.compile(
    r"(?:mailto:|sms:|tel:)?(?:[^@<>\r\n]{0,100}<)?[^@\s<>,;]{1,64}@[^@\s<>,;]+\.[^@\s<>,;.]{2,24}>?"  # RFC 5322
    r"|(?:whatsapp:|tel:|sms:)?\+[0-9](?:[ ().-]?[0-9]){6,14}"  # E.164
    r"|\(?[0-9]{2,4}\)?[ -][0-9]{3,4}[ -][0-9]{3,4}|0[0-9]{8,10}|1[3-9][0-9]{9}"  # national
    r"|#[\w.-]{1,80}|@[\w.-]{1,64}|<[@#!][\w^|.-]{1,80}>"  # channel and user handles
    r"|https://(?:hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com|api\.telegram\.org)\S*",
    re.IGNORECASE,
)
_SLACK_ID: Final = re.compile(r"[CDGUW][A-Z0-9]{8,12}")
_OWN: Final = frozenset({"self", "me", "myself", "@me", "自己", "我", "自分"})
_SEPARATORS: Final = re.compile(r"[,;]\s*")
#: A longer piece is no address (RFC 5321 allows 254 characters, a name stands before it).
_ADDRESS_LENGTH: Final = 400
#: A longer text is no list of recipients (in characters).
_RECIPIENTS_LENGTH_MAX: Final = 20_000


def recipients(value: object, *, channel: bool = False) -> tuple[int, bool]:
    """How many addresses a value names, and whether somebody else than the caller is among them."""
    count = 0
    others = False
    for text in _texts(value):
        for part in _SEPARATORS.split(text) if len(text) <= _RECIPIENTS_LENGTH_MAX else (text,):
            plain = part.strip()[:_ADDRESS_LENGTH]
            if plain.lower() in _OWN:
                count += 1
            elif _ADDRESS.fullmatch(plain) or (channel and _SLACK_ID.fullmatch(plain)):
                count += 1
                others = True
    return count, others


def _texts(value: object) -> Iterator[str]:
    """Strings of a recipient: one, a list, `{"email": ...}`, or a list of those."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            elif isinstance(item, dict):
                yield from _named(item)
    elif isinstance(value, dict):
        yield from _named(value)


_ADDRESS_KEYS: Final = ("email", "address", "emailAddress", "phone", "to", "channel")


def _named(value: Mapping[str, object]) -> Iterator[str]:
    for key in _ADDRESS_KEYS:
        inner = value.get(key)
        if isinstance(inner, str):
            yield inner
        elif isinstance(inner, dict) and isinstance(inner.get("address"), str):
            yield inner["address"]


def says_something(value: object) -> bool:
    """Whether a value is text that could be sent."""
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, (dict, list)) and bool(value)
