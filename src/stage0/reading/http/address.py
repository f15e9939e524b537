"""HTTP calls: what method, address and body of one call say together (RFC 9110, RFC 3986)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from stage0.reading.effects import Effect
from stage0.reading.paths import holds_secrets
from stage0.reading.prose.lexicon import Lexicon, split_words
from stage0.reading.result import UNREAD, ArgumentReading, whole, word_set
from stage0.reading.text.keeping import remember
from stage0.reading.verbs import verb_effects

#: The standard library's own function keeps the addresses that it was given, with the secrets in them.
_UNKEPT: Final[Callable[[str], SplitResult]] = getattr(urlsplit, "__wrapped__", urlsplit)
split_url: Final = remember(longest=200)(_UNKEPT)

METHODS: Final[Mapping[str, Effect]] = {
    "get": "network_read",
    "head": "network_read",
    "options": "network_read",
    "query": "network_read",
    "trace": "network_read",
    "propfind": "network_read",
    "report": "network_read",
    "post": "write",
    "mkcol": "write",
    "copy": "write",
    "put": "overwrite",
    "patch": "overwrite",
    "proppatch": "overwrite",
    "move": "overwrite",
    "delete": "delete",
}
READING: Final = frozenset({"get", "head", "options", "query", "trace", "propfind", "report"})


def read_method(method: str) -> ArgumentReading:
    """The effect of an HTTP method; unread where it is not one."""
    effect = METHODS.get(method.strip().lower())
    return whole(method, effect) if effect else UNREAD


#: Where clouds hand out the credentials of a machine to whoever asks from it.
_METADATA: Final = frozenset(
    {
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "metadata",
        "instance-data",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "fd00:ec2::254",
        "fd20:ce::254",
    }
)
_NUMBER: Final = re.compile(r"0x[0-9a-f]{1,8}|[0-9]{1,10}")
#: These make a server speak with another service in that service's name.
_SMUGGLING: Final = frozenset({"gopher", "dict", "tftp", "jar", "phar", "expect", "ldap", "ldaps"})
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]{0,20}):")
#: Parameters that name an operation.
OPERATIONS: Final = frozenset(
    {"action", "_method", "method", "op", "operation", "cmd", "do", "task", "act", "verb", "func"}
)
#: Path segments that move money when something is posted there.
_MONEY: Final = word_set(
    "refund refunds payout payouts transfer transfers charge charges withdraw withdrawal withdrawals disbursement"
    " disbursements payment payments remittance remittances"
)
_SEVERE_EFFECTS: Final[frozenset[Effect]] = frozenset(
    {"delete", "service_impact", "deployment", "access_change", "money_movement", "publish", "external_message"}
)
_SEARCHES: Final = frozenset(
    {"_search", "_count", "_msearch", "_mget", "_explain", "_validate", "_field_caps", "_termvectors"}
)
_BY_SEGMENT: Final[Mapping[str, tuple[Effect, ...]]] = {
    "_delete_by_query": ("delete", "bulk"),
    "_update_by_query": ("overwrite", "bulk"),
    "_bulk": ("overwrite", "bulk"),
    "_reindex": ("write",),
    "dispatches": ("code_execution", "deployment"),
    "_shutdown": ("service_impact",),
    "_close": ("service_impact",),
    "_forcemerge": ("service_impact",),
}
_URL_LENGTH_MAX: Final = 8_192


def is_search(url: str) -> bool:
    """Whether a POST to an address asks a question by documentation (Elasticsearch, OpenSearch)."""
    return _path_of(url).rstrip("/").rsplit("/", 1)[-1] in _SEARCHES


def read_url(url: str, method: str, lexicon: Lexicon) -> ArgumentReading:
    """What an address says beside the method: credentials, internal hosts, files, verbs in its path or query.

    `method` is lower case, empty where the call names none."""
    if len(url) > _URL_LENGTH_MAX:
        return UNREAD
    text = url.strip()
    scheme = _SCHEME.match(text)
    name = scheme[1].lower() if scheme else ""
    if name == "file":
        return whole(url, "secret_access") if holds_secrets(text) else whole(url, "read")
    if name in _SMUGGLING:
        return UNREAD
    effects: dict[Effect, None] = {}
    try:
        parts = split_url(text if "//" in text else "//" + text if not text.startswith("/") else text)
        host = (parts.hostname or "").rstrip(".")
        secret = bool(parts.password)
    except ValueError:
        return UNREAD
    if secret or _is_metadata(host) or "[[S0:ur:" in text:
        effects["secret_access"] = None
    effects.update(dict.fromkeys(_path_effects(_path_of(text), method, lexicon)))
    if "?" in text:
        effects.update(dict.fromkeys(_query_effects(text, lexicon)))
    return whole(url, *effects)


def _path_of(url: str) -> str:
    text = url.split("#", 1)[0].split("?", 1)[0]
    text = text.split("://", 1)[-1] if "://" in text else text
    text = text[text.find("/") :] if "/" in text else ""
    for _ in range(2):
        text = unquote(text) if "%" in text else text
    return text


def _is_metadata(host: str) -> bool:
    host = host.lower()
    if host in _METADATA or host.removeprefix("::ffff:") in _METADATA:
        return True
    return _dotted_address(host) in _METADATA if host[:1].isdigit() else False


def _dotted_address(host: str) -> str:
    """An IPv4 address in any of the forms that `inet_aton` takes (`2852039166`, `0xa9fea9fe`, `0251.0376.0xa9.254`)."""
    pieces = host.split(".")
    if len(pieces) > 4 or not all(_NUMBER.fullmatch(piece) for piece in pieces):
        return ""
    numbers = [_whole_number(piece) for piece in pieces]
    value = numbers[-1]
    for index, number in enumerate(numbers[:-1]):
        value += number << (24 - 8 * index)
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _whole_number(piece: str) -> int:
    if piece.startswith("0x"):
        return int(piece, 16)
    if piece.startswith("0") and len(piece) > 1 and all(digit in "01234567" for digit in piece):
        return int(piece, 8)
    return int(piece)


#: A path segment of more words is a title (`how-to-delete-a-user`).
_WORDS: Final = 4
#: A segment that says which one: a number, an id, a placeholder, an address.
_WHICH: Final = re.compile(
    r"\d[\w.-]*|[0-9a-fA-F-]{16,}|[:{<$].*|\w{1,12}_\w*\d\w*|[a-zA-Z]{1,4}-?\d+|[^/@]+@[^/@]+|me|self|latest"
)
#: A longer segment is judged by its beginning (in characters).
_ID_LENGTH: Final = 64
#: Pages about an operation, under which nothing is done.
_PAGES: Final = word_set(
    "docs doc documentation blog blogs wiki help articles article guides guide faq support kb tutorials reference"
    " questions posts news search tag tags topics category categories"
)


def _path_effects(path: str, method: str, lexicon: Lexicon) -> Iterator[Effect]:
    """What the last segment of a path says that names no single thing; what stands before it names a collection."""
    segments = [segment for segment in path.split("/") if segment][-6:]
    for segment in segments if method not in READING else ():
        yield from _BY_SEGMENT.get(segment.lower(), ())
    single = False
    while segments and _WHICH.fullmatch(segments[-1][:_ID_LENGTH]):
        segments.pop()
        single = True
    if not segments:
        return
    if method in READING or not method:
        if _PAGES.isdisjoint(segment.lower() for segment in segments):
            yield from _read_effects(segments[-1], lexicon)
        return
    yield from _posted_effects(segments, method, lexicon, single=single)


def _read_effects(segment: str, lexicon: Lexicon) -> Iterator[Effect]:
    """GET must be safe; a page about deleting is no deletion, an operation that is called so is one."""
    words = split_words(segment)
    if words and len(words) < _WORDS and words[0] in _PLAIN_VERBS and not _DOCUMENT.search(segment):
        yield from (effect for effect in verb_effects(segment, lexicon) if effect == "delete")


def _posted_effects(segments: list[str], method: str, lexicon: Lexicon, *, single: bool) -> Iterator[Effect]:
    """What an operation does that is called at the end of a path: `users/5/suspend`, `p:setIamPolicy`."""
    # A custom method stands behind a colon (AIP-136).
    name = segments[-1].rsplit(":", 1)[-1]
    words = split_words(name)
    if not words or len(words) > _WORDS:
        return
    if not single and method in ("post", "put") and _MONEY.intersection(words[-1:]) and words[0] not in _ASKING:
        yield "money_movement"
    before = split_words(segments[-2]) if len(segments) > 1 else []
    if before and len(before) <= 2 and before[0] in _PLAIN_VERBS:
        yield "delete"
    if single and len(words) == 1 and any(term.role in ("noun", "word") for term in lexicon.word(words[0])):
        return  # `PUT /messages/5`
    if words[0] in _COLLECTIONS or words[0] in _ASKING:
        return
    effects = verb_effects(name, lexicon)
    yield from (effect for effect in effects if effect in _SEVERE_EFFECTS)
    if "overwrite" in effects or not effects:
        yield from _named_change(words, lexicon)


def _named_change(words: list[str], lexicon: Lexicon) -> Iterator[Effect]:
    """Changes whose word alone is mild, and which cannot be taken back or shut somebody out when they are called."""
    objects = {term.concept for word in words for term in lexicon.word(word)}
    if words[0] in _SHUTTING or "access" in objects:
        yield "access_change"
    elif words[0] in _ENDING:
        yield "irreversible"


_SHUTTING: Final = word_set(
    "suspend unsuspend deactivate disable ban unban block lock unlock freeze impersonate promote demote elevate"
)
_ENDING: Final = word_set("cancel terminate void reset merge abort reject approve invalidate rollback revert")
_ASKING: Final = word_set(
    "search query list find lookup get count filter preview validate estimate calculate check quote simulate verify"
    " read fetch"
)
#: Plurals that name what is added to, not what is done to it.
_COLLECTIONS: Final = word_set("messages tests reports alerts builds uploads exports downloads runs texts comments")


#: A file that is fetched (`delete.py`), unlike a script that runs (`delete.php`).
_DOCUMENT: Final = re.compile(r"\.(?!php|aspx?|jsp|do|cgi|action|pl)[a-z0-9]{1,5}$")
_PLAIN_VERBS: Final = frozenset({"delete", "remove", "destroy", "purge", "wipe", "erase"})


def _query_effects(url: str, lexicon: Lexicon) -> Iterator[Effect]:
    query = url.split("#", 1)[0].partition("?")[2]
    for name, value in parse_qsl(query, max_num_fields=None)[:200]:
        if name.lower() in OPERATIONS:
            verb = METHODS.get(value.lower()) if name.lower() in ("_method", "method") else None
            effects = (verb,) if verb else verb_effects(value, lexicon)
            yield from (effect for effect in effects if effect not in ("read", "compute", "network_read"))
