"""Numbers that prose says of the code are the code's. A sentence stands here once with `{}` where the number is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from stage0.client import transport
from stage0.client.client import REQUEST_ID_LENGTH_MAX
from stage0.engine import engine, writer
from stage0.ledger import accounts, idempotency, records, retention
from stage0.policy import shipped_packs
from stage0.rules import RULES
from stage0.server import connection, http
from tests.docs.markdown import ROOT, prose, read

_WORDS: Final = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_WORDS_ON: Final = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
_DEFAULT: Final = shipped_packs()["stage0-default"]
_ACCOUNT: Final = accounts.Account(id="", name="", plan="free", timezone="UTC", created_at=0)


def _word(number: float) -> str:
    """A number up to twenty in words."""
    assert number == int(number)
    return (*_WORDS, *_WORDS_ON)[int(number)]


#: Page, sentence, number as it is written there.
CLAIMS: Final = (
    ("CHANGELOG.md", "rules in {} families", _word(len({rule.family for rule in RULES}))),
    ("docs/decisions/0002-group-commit-without-a-timer.md", "up to {}, decides them", f"{writer.BATCH_LIMIT}"),
    ("docs/decisions/0017-lists-stop-with-a-cursor.md", "threads of their own, {} at a time", _word(engine.LISTS_EACH)),
    ("docs/decisions/0017-lists-stop-with-a-cursor.md", "{} more wait", _word(engine.LISTS_WAITING)),
    ("docs/api.md", "A page also ends after {} MB of records", f"{records.PAGE_BYTES // 1_000_000}"),
    ("docs/api.md", "{} lists of an account are read at a time", _word(engine.LISTS_EACH).capitalize()),
    ("docs/api.md", "lists of an account are read at a time and {} more wait", _word(engine.LISTS_WAITING)),
    ("docs/api.md", "where one takes longer than {} seconds, it is 503", _word(engine.LIST_SECONDS_MAX)),
    ("docs/api.md", "the last {} batches of checks did not all fail", _word(engine.FAILED_BATCHES)),
    ("docs/api.md", "or {} seconds after the last one that was tried", f"{engine.FAILED_SECONDS:g}"),
    ("docs/api.md", "`limit` | 1 to {}, default 50", f"{records.PAGE_LIMIT}"),
    ("docs/api.md", "may have {} bytes together", f"{connection.HEADERS_LIMIT:,}"),
    ("docs/api.md", "and {} headers: beyond it is 431", f"{connection.HEADERS_COUNT}"),
    ("docs/api.md", "Up to {} requests may wait behind another one", f"{connection.PIPELINE_LIMIT}"),
    ("docs/api.md", "or the body within {}; the connection is closed", f"{http.BODY_SECONDS}"),
    ("docs/api.md", "get the same answer again for {} hours", f"{idempotency.LIFETIME // 3_600_000_000}"),
    ("docs/api.md", "{} minutes where the [pack](policy-guide.md) says nothing else", _word(_DEFAULT.valid_for / 60)),
    ("docs/operations.md", "{} bytes, 100 headers", f"{connection.HEADERS_LIMIT:,}"),
    (
        "docs/operations.md",
        "requests that wait behind another one on a connection | {} |",
        f"{connection.PIPELINE_LIMIT}",
    ),
    ("docs/operations.md", "whose request was refused | {} MB, ", f"{http.DRAIN_LIMIT // 1_000_000}"),
    ("docs/operations.md", "whose request was refused | 32 MB, {} seconds", f"{http.DRAIN_SECONDS}"),
    ("docs/operations.md", "records are kept for {} days", f"{_ACCOUNT.retention_days}"),
    ("docs/operations.md", "deletes at most {} rows in a transaction", f"{retention.LIMIT}"),
    ("docs/operations.md", "or {} batches in a row failed", _word(engine.FAILED_BATCHES)),
    ("docs/client.md", "is longer than {} MB", f"{transport.ANSWER_BYTES_MAX // 1_000_000}"),
    ("docs/client.md", "up to {} visible ASCII characters", f"{REQUEST_ID_LENGTH_MAX}"),
    ("docs/concepts.md", "allowed {} times in a row", _word(_DEFAULT.thresholds.same_action)),
    ("docs/concepts.md", "two actions that took turns {} times", _word(_DEFAULT.thresholds.turns)),
    ("docs/concepts.md", "more than {} runs within an hour", _word(_DEFAULT.thresholds.starts)),
)


def _flat(page: Path) -> str:
    return re.sub(r"\s+", " ", prose(read(page)))


@pytest.mark.parametrize(("page", "sentence", "number"), CLAIMS, ids=[f"{page}: {said}" for page, said, _ in CLAIMS])
def test_a_number_in_prose_is_the_number_in_the_code(page: str, sentence: str, number: str) -> None:
    before, after = (re.escape(part) for part in sentence.split("{}"))
    found = re.findall(f"{before}([\\w,.]+?){after}", _flat(ROOT / page))
    assert found == [number], f"{page} says `{sentence}` with {found}; the code has {number}"
