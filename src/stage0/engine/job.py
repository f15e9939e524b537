"""The jobs of the writer. That of a check has three parts: what was asked, how it is read, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from stage0.core.decide import Prepared, prepare
from stage0.core.fingerprint import task_hash
from stage0.core.masking import Fingerprint, mask, mask_text, may_hold_secrets
from stage0.core.pack import Pack
from stage0.knowledge.load import shipped_knowledge
from stage0.ledger.access import Work
from stage0.ledger.idempotency import Token
from stage0.ledger.keys import Key
from stage0.ledger.runs import run_key
from stage0.reading.interpret import Knowledge
from stage0.reading.registry import Entry, Registry
from stage0.reading.request import ActionRequest
from stage0.wire import parse, read_check


class Answered(NamedTuple):
    """An answer whose record is durable, and what is left of the caller's checks a minute: seconds until then."""

    request_id: str
    body: bytes
    limit: int
    remaining: int
    reset: int


class Body(NamedTuple):
    """What a body says: the request, whether a secret of a known format may be in it, and what is stored of it as it
    was sent where the caller asks for that."""

    request: ActionRequest
    secrets: bool
    raw: object = None


class Asked(NamedTuple):
    """What was asked, and by whom. A check that is read `beside` the event loop is never read on it, nor while a
    transaction is open; one that is `large` is decided beside it, too."""

    key: Key
    body: Body
    sent_request_id: str = ""
    token: Token | None = None
    beside: bool = False
    large: bool = False


class Preparation(NamedTuple):
    """How a check is read with the words of one pack: its action (`task_hash`), and its run (empty for none)."""

    prepared: Prepared
    action: str
    run: str


class CheckJob:
    """One check that waits to be decided and recorded. Which packs decide is known when its turn comes, and so is how
    the request is read under each; `preparation` is the one that counts."""

    __slots__ = ("_preparations", "asked", "deadline", "future", "preparation", "put_off")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.preparation: Preparation | None = None
        self._preparations: list[tuple[Knowledge, Preparation]] = []
        self.put_off = False
        self.future: asyncio.Future[Answered] | None = None
        self.deadline = 0.0

    @property
    def account(self) -> str:
        """Whose turn it takes."""
        return self.asked.key.account

    @property
    def action(self) -> str:
        """The action, as far as it is known."""
        return self.preparation.action if self.preparation else ""

    @property
    def run(self) -> str:
        """The run, as far as it is known."""
        return self.preparation.run if self.preparation else ""

    def is_read(self, pack: Pack) -> bool:
        """Whether the request has been read with the words of a pack."""
        return any([words is pack.knowledge for words, _ in self._preparations])

    def is_prepared(self, pack: Pack) -> bool:
        """Whether the reading that counts is with the words of a pack."""
        return any([words is pack.knowledge and each is self.preparation for words, each in self._preparations])

    def keep(self, pack: Pack, preparation: Preparation) -> Preparation:
        """Keep how it is read with the words of a pack; the first counts until another pack is said to decide."""
        self._preparations.append((pack.knowledge, preparation))
        self.preparation = self.preparation or preparation
        return preparation

    def read(self, pack: Pack, fingerprint: Fingerprint) -> Preparation:
        """How it is read with the words of a pack."""
        for words, preparation in self._preparations:
            if words is pack.knowledge:
                return preparation
        asked = self.asked
        return self.keep(pack, prepare_check(asked.body, asked.key.account, pack.knowledge, fingerprint))

    def prepare(self, pack: Pack, fingerprint: Fingerprint) -> Preparation:
        """The same, for the pack that decides."""
        self.preparation = self.read(pack, fingerprint)
        return self.preparation


class WriteJob:
    """Any other write on the embedded store: a function of the connection, behind a savepoint of the batch."""

    __slots__ = ("account", "deadline", "future", "work")

    def __init__(self, work: Work[Any], account: str = "") -> None:
        self.work = work
        self.account = account
        self.future: asyncio.Future[Any] | None = None
        self.deadline = 0.0


Job = CheckJob | WriteJob


# -- reading


def read_request(body: bytes, fingerprint: Fingerprint) -> Body:
    """The body of `POST /check`. Raises Invalid."""
    request = read_check(body)
    # An escape could spell a secret that a look at the bytes does not see.
    secrets = b"\\" in body or may_hold_secrets(body.decode())
    return Body(request, secrets, mask(parse(body), fingerprint) if request.debug_store_input else None)


def prepare_check(body: Body, account: str, words: Knowledge, fingerprint: Fingerprint) -> Preparation:
    """Read a request with the words of a pack. Needs no state and no clock."""
    prepared = prepare(body.request, words, fingerprint if body.secrets else None)
    action = task_hash(prepared.request, prepared.reading, account)
    run_id = prepared.reading.context.values.get("run_id", "")
    run = run_key(run_id if prepared.exact else mask_text(run_id, fingerprint)) if run_id else ""
    return Preparation(prepared, action, run)


# -- the same in a process of its own, which knows the words that ship: an account's pack adds its tools


Entries = Sequence[Entry]


def read_prepared(body: bytes, account: str, tools: Entries, fingerprint: Fingerprint) -> tuple[Body, Preparation]:
    """The body of `POST /check`, and how it is read. Raises Invalid."""
    read = read_request(body, fingerprint)
    return read, prepare_with(read, account, tools, fingerprint)


def prepare_with(body: Body, account: str, tools: Entries, fingerprint: Fingerprint) -> Preparation:
    """Read a request with the words that ship and the tools that a pack registers."""
    return prepare_check(body, account, _words(tuple(tools)), fingerprint)


@lru_cache(maxsize=8)
def _words(tools: tuple[Entry, ...]) -> Knowledge:
    known = shipped_knowledge()
    return known.with_registry(Registry(tools, known.spellings)) if tools else known
