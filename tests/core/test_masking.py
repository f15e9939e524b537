"""Secrets are replaced before anything reads them; what is decided is decided on the placeholder."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.core.decide import decide
from stage0.core.masking import mask, mask_request, mask_text
from stage0.core.pack import Pack
from stage0.reading.request import State
from tests.deciding import CALLER, NOW, request_of


def fingerprint(secret: str) -> str:
    """Eight hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def hidden(text: str) -> str:
    """A text without its secrets."""
    return mask_text(text, fingerprint)


LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

#: Kind, the text around the secret, and the secret. Built from pieces, so that no scanner takes them for real.
SECRETS: Final[dict[str, tuple[str, str, str]]] = {
    "a private key": (
        "pk",
        "key:\n{}\n",
        "-----BEGIN RSA PRIVATE" + " KEY-----\n" + LETTERS + "\n-----END RSA PRIVATE" + " KEY-----",
    ),
    "an AWS key": ("aw", "use {} here", "AKIA" + "ABCDEFGHIJKLMNOP"),
    "a GitHub token": ("gh", "push with {}.", "ghp_" + LETTERS[:36]),
    "a fine-grained GitHub token": ("gh", "{}", "github_pat_" + LETTERS[:40]),
    "a GitLab token": ("gl", "({})", "glpat-" + LETTERS[:20]),
    "a Slack token": ("sl", "'{}'", "xoxb-" + "123456789012-abc"),
    "a Stripe key": ("st", "{}", "sk_live_" + LETTERS[:24]),
    "a model provider's key": ("ai", "{}", "sk-" + LETTERS[:40]),
    "a Google key": ("go", "{}", "AIza" + LETTERS[:35]),
    "an npm token": ("np", "{}", "npm_" + LETTERS[:36]),
    "a PyPI token": ("py", "{}", "pypi-" + LETTERS[:50]),
    "a key of this server": ("s0", "{}", "s0_live_" + LETTERS[:24]),
    "a signed token": ("jw", "Bearer {}", ".".join(["eyJ" + LETTERS[:10], "eyJ" + LETTERS[:10], LETTERS[:20]])),
    "a password in a URL": ("ur", "postgres://{}@db/shop", "admin:hunter2"),
    "a password in a setting": ("pw", "PASSWORD={}", "hunter2hunter2"),
    "a token in a query": ("pw", "https://x.test/?token={}&a=1", "abcdef123456"),
}


@pytest.mark.parametrize(("kind", "text", "secret"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_replaced_by_its_kind_and_fingerprint(kind: str, text: str, secret: str) -> None:
    assert hidden(text.format(secret)) == text.format(f"[[S0:{kind}:{fingerprint(secret)}]]")


@pytest.mark.parametrize(("kind", "text", "secret"), SECRETS.values(), ids=SECRETS)
def test_masking_what_is_masked_changes_nothing(kind: str, text: str, secret: str) -> None:
    once = hidden(text.format(secret))
    assert hidden(once) == once


@pytest.mark.parametrize(("kind", "text", "secret"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_replaced_wherever_in_the_request_it_stands(kind: str, text: str, secret: str) -> None:
    sent = text.format(secret)
    request = request_of(
        goal=sent,
        success_criteria=[sent],
        constraints=[sent],
        tools=[sent],
        side_effects=[sent],
        context={"tool_arguments": {"deep": [{"note": sent, sent: 1}]}},
    )
    stored = msgspec.json.encode(mask_request(request, fingerprint)).decode()
    assert secret.split("\n", maxsplit=1)[0] not in stored
    assert stored.count(f"[[S0:{kind}:") == 7


def test_equal_secrets_have_equal_placeholders_and_others_have_others() -> None:
    one, other = "ghp_" + LETTERS[:36], "ghp_" + LETTERS[1:37]
    placeholders = re.findall(r"\[\[S0:gh:\w{8}]]", hidden(f"{one} {other} {one}"))
    assert placeholders[0] == placeholders[2] != placeholders[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "List the open tickets",
        "刪除不活躍的使用者",
        "https://example.com/path?a=1",
        "git@github.com:owner/repo",
        "time=10:30",
        "sk-short",
        "AKIA is a prefix",
        "task-force-meeting-notes",
        "password policy",
        "token=x",
        "SELECT a FROM b WHERE c = 'd'",
    ],
)
def test_a_text_without_secrets_is_left_alone(text: str) -> None:
    assert hidden(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE" + " KEY-----; rm -rf /",
        "token=$(reboot)",
        "password=`reboot`",
        "secret=abc|reboot",
        "curl http://a:b;reboot@host",
    ],
)
def test_no_command_can_hide_in_what_looks_like_a_secret(text: str) -> None:
    assert "reboot" in hidden(text) or "rm -rf" in hidden(text)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_masking_keeps_the_shape_of_a_value(value: Any) -> None:
    assert mask(value, fingerprint) == value


PIECES: Final = st.sampled_from(
    [text.format(secret) for _, text, secret in SECRETS.values()] + [" ", "&", "@", "://", "=", "password=", "x"]
)


@given(st.lists(PIECES, max_size=4), st.sampled_from([" ", "&", "@", "\n", '"', ","]))
def test_masking_any_mixture_twice_is_masking_it_once(pieces: list[str], between: str) -> None:
    once = hidden(between.join(pieces))
    assert hidden(once) == once


def test_a_masked_request_is_decided_the_same_when_it_is_masked_again(default_pack: Pack) -> None:
    texts = [text.format(secret) for _, text, secret in SECRETS.values()]
    request = request_of(
        goal="Deploy with " + " and ".join(texts),
        tools=["shell"],
        context={"tool_arguments": {"command": "echo " + texts[2], "notes": texts}},
    )
    once = mask_request(request, fingerprint)
    first, second = (
        decide(each, pack=default_pack, state=State(CALLER), now=NOW)
        for each in (once, mask_request(once, fingerprint))
    )
    assert first == second
