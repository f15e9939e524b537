"""GraphQL documents: which operations they hold, and what their fields are called (specification of October 2021)."""

from __future__ import annotations

import re
from typing import Final

from stage0.reading.effects import Effect
from stage0.reading.prose.lexicon import Lexicon
from stage0.reading.result import TEXT_LIMIT, UNREAD, ArgumentReading, Seen
from stage0.reading.sql.tree import holds_secret_rows, names_secret, names_value
from stage0.reading.verbs import verb_effects

_START: Final = re.compile(
    r"(?:\s|,|#[^\n]*(?:\n|\Z))*(?:(?:query|mutation|subscription)\b[^{}\"]{0,2000}\{|fragment\s+\w+\s+on\b|\{\s*[A-Za-z_]\w*\s*[\s({:}])"
)
_TOKEN: Final = re.compile(
    r"\"\"\"(?:[^\"]|\"(?!\"\")|\\\"\"\")*\"\"\"|\"(?:[^\"\\\n]|\\.)*\"|#[^\n]*|[{}()]|[A-Za-z_]\w*|[:@.$]"
)
#: What stands between a collection and its fields.
_CONNECTIONS: Final = frozenset({"edges", "node", "nodes", "items", "data", "results"})
_GONE: Final = frozenset({"delete", "destroy", "remove", "purge", "wipe", "erase", "drop"})


def looks_like_graphql(text: str) -> bool:
    """Whether a text begins as a GraphQL document does."""
    return _START.match(text) is not None


def read_graphql(text: str, lexicon: Lexicon) -> ArgumentReading:
    """A query reads. A mutation does what its fields are called; one that says nothing adds or changes something."""
    if len(text) > TEXT_LIMIT:
        return UNREAD
    document = _Document(text, lexicon)
    for token in _TOKEN.finditer(text):
        if token[0][0] not in '"#':
            document.take(token[0], token.start(), token.end())
    return document.reading()


class _Document:
    """Where in a document a token stands: how deep in selections and brackets, and in which operation."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self._text = text
        self._lexicon = lexicon
        self._seen: dict[Seen, None] = {}
        self._depth = 0
        self._brackets = 0
        self._operation = ""
        self._before = ""
        #: The fields that the selections stand in, from the outside, and the last field.
        self._above: list[str] = []
        self._field_name = ""

    def take(self, word: str, start: int, end: int) -> None:
        """The next token."""
        if word in "()":
            self._brackets += 1 if word == "(" else -1
        elif self._brackets:
            pass
        elif word in "{}":
            self._nest(word, start, end)
        elif word not in ":@.$":
            self._name(word, start, end)
        self._before = word

    def _nest(self, word: str, start: int, end: int) -> None:
        self._depth += 1 if word == "{" else -1
        if word == "{":
            self._above.append(self._field_name)
        elif self._above:
            self._above.pop()
        if self._depth == 0:
            self._operation = ""
        elif self._depth == 1 and not self._operation:
            self._operation = "query"
            self._seen[Seen("read", start, end)] = None

    def _name(self, word: str, start: int, end: int) -> None:
        if self._depth == 0 and not self._operation:
            self._operation = word
            if word in ("query", "subscription"):
                self._seen[Seen("read", start, end)] = None
            self._field_name = ""
        elif self._depth >= 1 and self._before not in ("@", ".", "$"):
            after = self._text[end : end + 20].lstrip()
            if after.startswith(":"):
                return  # an alias stands before its field
            self._field_name = word
            if not after.startswith(("{", "(")) and self._is_secret(word):
                self._seen[Seen("secret_access", start, end)] = None
            if self._depth == 1:
                self._seen.update((Seen(effect, start, end), None) for effect in self._field(word))

    def _is_secret(self, word: str) -> bool:
        if names_secret(word):
            return self._operation != "mutation" or word != "token"  # a login hands out its caller's own
        inside = next((name for name in reversed(self._above) if name and name not in _CONNECTIONS), "")
        return bool(inside) and names_value(word) and holds_secret_rows(inside)

    def _field(self, word: str) -> tuple[Effect, ...]:
        effects = verb_effects(word, self._lexicon)
        if self._operation == "mutation":
            return tuple(e for e in effects if e not in ("read", "compute", "network_read")) or ("write",)
        return effects if any(word.lower().startswith(gone) for gone in _GONE) else ()

    def reading(self) -> ArgumentReading:
        """What the whole document says."""
        return ArgumentReading(tuple(self._seen), read=bool(self._seen) and self._depth == self._brackets == 0)
