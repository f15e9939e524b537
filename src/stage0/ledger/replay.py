"""Deciding stored records again: under a candidate, to see what would change, and under their own pack, as proof.

Records are read in pages, each in a short transaction of its own: memory stays flat, and no check waits."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from stage0.core.decide import decide
from stage0.core.pack import Pack
from stage0.core.verdict import Decision
from stage0.knowledge.load import reads_alike
from stage0.ledger.catalogue import Catalogue
from stage0.ledger.errors import LedgerError
from stage0.ledger.export import Wanted, pages
from stage0.ledger.packs import usable_pack
from stage0.ledger.records import RECORD_VERSION, Record, decode_record
from stage0.wire import Answer, Enforcement, answer, encode

#: A run of digits that may be a number which the fast decoder would not keep as it is.
_LONG: Final = re.compile(rb"\d{18}")
#: Records that are shown one by one.
_SHOWN: Final = 20
_RANK: Final = {"ALLOW": 0, "DEFER": 1, "DENY": 2}
_PACKS: Final = 64
_decoder: Final = msgspec.json.Decoder(Record)

#: Why a record cannot be decided again.
MASKED: Final = "a secret was part of what was decided, and is not stored"
OTHER_VERSION: Final = "it was stored in a form that this version does not read"


class Flip(NamedTuple):
    """A record on which a candidate decides otherwise. `codes` are what it finds and the stored decision did not, or
    (where its verdict is better) the other way round."""

    request_id: str
    before: str
    after: str
    codes: tuple[str, ...]
    tools: tuple[str, ...]
    goal: str


class Preview:
    """What a candidate would have changed. Counts grow with the kinds of change, not with the records."""

    def __init__(self) -> None:
        self.records = 0
        self.replayed = 0
        self.skipped: Counter[str] = Counter()
        #: By verdict before and after.
        self.flips: Counter[tuple[str, str]] = Counter()
        self.by_code: Counter[tuple[str, str, str]] = Counter()
        self.by_tool: Counter[tuple[str, str, str]] = Counter()
        self.examples: list[Flip] = []

    def add(self, flip: Flip) -> None:
        """Count one record that flips."""
        change = flip.before, flip.after
        self.flips[change] += 1
        for code in flip.codes:
            self.by_code[*change, code] += 1
        for tool in flip.tools or ("(none)",):
            self.by_tool[*change, tool] += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(flip)

    def plain(self) -> dict[str, Any]:
        """The preview as JSON."""
        return {
            "records": self.records,
            "replayed": self.replayed,
            "flips": _rows(self.flips, "before", "after"),
            "by_code": _rows(self.by_code, "before", "after", "code"),
            "by_tool": _rows(self.by_tool, "before", "after", "tool"),
            "skipped": _rows(Counter({(reason,): count for reason, count in self.skipped.items()}), "reason"),
            "examples": [flip._asdict() for flip in self.examples],
        }


def _rows(counts: Counter[Any], *names: str) -> list[dict[str, Any]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in ordered]


def preview(
    reader: sa.Engine, wanted: Wanted, candidate: Pack, *, at_most: int | None = None, tick: Callable[[int], None]
) -> Preview:
    """Decide stored records again under a candidate. `tick` is told how many were seen after each page."""
    found = Preview()
    for row in _rows_of(reader, wanted, found, tick):
        if at_most is not None and found.records > at_most:
            found.records -= 1
            break
        record = _read(row.record)
        reason = _unfit(record)
        if reason:
            found.skipped[reason] += 1
            continue
        found.replayed += 1
        decision = decide(record.request, pack=candidate, state=record.state, now=record.now)
        if decision.verdict != row.verdict:
            found.add(_flip(row, record, decision))
    return found


def _rows_of(reader: sa.Engine, wanted: Wanted, found: Preview | Proof, tick: Callable[[int], None]) -> Iterator[Any]:
    for page in pages(reader, wanted):
        for recorded in page:
            found.records += 1
            yield recorded.row
        tick(found.records)


def _flip(row: Any, record: Record, decision: Decision) -> Flip:
    before, after = set(row.codes.split()), {issue.code for issue in decision.issues}
    worse = _RANK[decision.verdict] > _RANK[row.verdict]
    codes = tuple(sorted(after - before if worse else before - after))
    return Flip(
        row.id, row.verdict, decision.verdict, codes, tuple(record.request.tools[:5]), record.request.goal[:200]
    )


def _read(data: bytes) -> Record:
    """A stored record; numbers that are longer than 64 bits the slow way, which keeps them as they are."""
    return decode_record(data) if _LONG.search(data) else _decoder.decode(data)


def _unfit(record: Record) -> str:
    if not 1 <= record.v <= RECORD_VERSION:
        return OTHER_VERSION
    return "" if record.exact else MASKED


# -- proof


class Difference(NamedTuple):
    """A record whose decision does not follow from it: the fields of the answer that differ."""

    request_id: str
    fields: tuple[str, ...]


class Proof:
    """What deciding every record again under its own pack has shown."""

    def __init__(self) -> None:
        self.records = 0
        self.verified = 0
        self.skipped: Counter[str] = Counter()
        self.different = 0
        self.differences: list[Difference] = []

    def plain(self) -> dict[str, Any]:
        """The proof as JSON."""
        return {
            "records": self.records,
            "verified": self.verified,
            "different": self.different,
            "differences": [each._asdict() for each in self.differences],
            "skipped": _rows(Counter({(reason,): count for reason, count in self.skipped.items()}), "reason"),
        }


def verify(
    reader: sa.Engine, catalogue: Catalogue, wanted: Wanted, engine: str, *, tick: Callable[[int], None]
) -> Proof:
    """Derive every stored answer again from its record, byte for byte. `engine` is this version; what another one has
    decided is counted and not judged."""
    proof = Proof()
    find = lru_cache(maxsize=_PACKS)(lambda pack_id, digest: _pack(reader, catalogue, wanted.account, pack_id, digest))
    for row in _rows_of(reader, wanted, proof, tick):
        record = _read(row.record)
        reason = _unfit(record)
        pack = None if reason else find(record.pack, record.digest)
        if not reason and pack is None:
            reason = f"its policy `{record.pack}` is not here with that content"
        if not reason and record.engine != engine:
            reason = f"it was decided by version {record.engine}"
        if not reason and pack is not None and not reads_alike(record.lexicon, pack.knowledge.version):
            reason = "it was read with other words"
        if reason or pack is None:
            proof.skipped[reason] += 1
            continue
        fields = _differences(row, record, pack)
        if fields:
            proof.different += 1
            if len(proof.differences) < _SHOWN:
                proof.differences.append(Difference(row.id, fields))
        else:
            proof.verified += 1
    return proof


def _pack(reader: sa.Engine, catalogue: Catalogue, account: str, pack_id: str, digest: str) -> Pack | None:
    for shipped in catalogue.packs.values():
        if (shipped.id, shipped.digest) == (pack_id, digest):
            return shipped
    try:
        with reader.connect() as connection, connection.begin():
            found = usable_pack(connection, catalogue, account, pack_id)
    except LedgerError:
        return None
    return found if found.digest == digest else None


class _Stored(msgspec.Struct, frozen=True):
    """What of a stored answer does not follow from its record."""

    meta: _StoredMeta


class _StoredMeta(msgspec.Struct, frozen=True):
    test_mode: bool
    enforcement: Enforcement


_stored: Final = msgspec.json.Decoder(_Stored)


def _differences(row: Any, record: Record, pack: Pack) -> tuple[str, ...]:
    decision = decide(record.request, pack=pack, state=record.state, now=record.now)
    meta = _stored.decode(record.answer).meta
    again = answer(decision, row.id, test_mode=meta.test_mode, enforcement=meta.enforcement, ends=record.v > 1)
    codes = f" {' '.join([issue.code for issue in decision.issues])} "
    beside = (row.verdict, row.risk_score, row.codes, row.task_hash, row.policy)
    if encode(again) in row.record and beside == (
        decision.verdict,
        decision.risk_score,
        codes,
        decision.task_hash,
        pack.id,
    ):
        return ()
    return _fields(again, record) or ("the columns beside the record",)


def _fields(again: Answer, record: Record) -> tuple[str, ...]:
    new, old = json.loads(encode(again)), json.loads(bytes(record.answer))
    return tuple(sorted(name for name in {*new, *old} if new.get(name) != old.get(name)))
