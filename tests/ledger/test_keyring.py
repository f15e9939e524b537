"""All keys are derived from one root key, which can be rotated."""

from __future__ import annotations

import pytest

from stage0.ledger import Refused
from stage0.ledger.keyring import Keyring, new_root

OLD, NEW = "an-old-root-key-of-thirty-two-chars", "a-new-root-key-of-thirty-two-chars!"
TEXT = "s0_live_some-key-text-000001"


def test_hashes_depend_on_the_root_and_on_the_text_alone() -> None:
    assert Keyring([OLD]).hashes(TEXT) == Keyring([OLD]).hashes(TEXT)
    assert Keyring([OLD]).hashes(TEXT) != Keyring([NEW]).hashes(TEXT)
    assert Keyring([OLD]).hashes(TEXT) != Keyring([OLD]).hashes(TEXT + "x")


def test_the_keys_of_two_purposes_differ() -> None:
    ring = Keyring([OLD])
    assert not ring.hashes(TEXT)[0].startswith(ring.fingerprint(TEXT))


def test_a_fingerprint_is_eight_hex_digits_that_depend_on_the_root() -> None:
    one, other = Keyring([OLD]).fingerprint("secret"), Keyring([NEW]).fingerprint("secret")
    assert one != other
    assert all(len(each) == 8 and int(each, 16) >= 0 for each in (one, other))
    assert Keyring([OLD]).fingerprint("secret") == one != Keyring([OLD]).fingerprint("Secret")


def test_after_rotation_what_was_made_under_the_old_root_still_matches_and_new_hashes_use_the_new_one() -> None:
    rotated = Keyring([NEW, OLD])
    assert rotated.hashes(TEXT) == [*Keyring([NEW]).hashes(TEXT), *Keyring([OLD]).hashes(TEXT)]
    assert rotated.fingerprint("secret") == Keyring([NEW]).fingerprint("secret")


@pytest.mark.parametrize("roots", [["x" * 31], [NEW, "short"], ["short", OLD], [""]])
def test_a_root_that_is_too_short_is_refused_without_being_shown(roots: list[str]) -> None:
    with pytest.raises(Refused, match="at least 32") as refused:
        Keyring(roots)
    assert "short" not in str(refused.value)


def test_no_root_at_all_is_refused_and_the_message_says_how_to_make_one() -> None:
    with pytest.raises(Refused, match="secrets"):
        Keyring([])


def test_a_new_root_is_long_enough_and_never_the_same() -> None:
    assert len({new_root() for _ in range(100)}) == 100
    Keyring([new_root()])


@pytest.mark.parametrize("text", ["", "ключ", "\ud800", "x" * 10_000])
def test_any_text_has_a_hash(text: str) -> None:
    [found] = Keyring([OLD]).hashes(text)
    assert len(found) == 64
