"""No key and no secret of a known format is ever written: not to the database, not to its log, not to the server's."""

from __future__ import annotations

import hashlib
import json
import random
import re
import string
from typing import Any, Final

import pytest

from tests.asserting import nonempty
from tests.running import KEY, Server
from tests.server.issuing import database, new_key


def _fill(name: str, count: int) -> str:
    """Letters and digits that no other secret of these tests holds."""
    return "".join(random.Random(name).choices(string.ascii_letters + string.digits, k=count))


#: One secret of each known format, and the kind that its placeholder tells.
SECRETS: Final[dict[str, tuple[str, str]]] = {
    "private key": ("pk", f"-----BEGIN RSA PRIVATE KEY-----\n{_fill('pk', 120)}\n-----END RSA PRIVATE KEY-----"),
    "AWS key id": ("aw", "AKIA" + _fill("aw", 16).upper()),
    "GitHub token": ("gh", "ghp_" + _fill("gh", 36)),
    "GitHub fine-grained token": ("gh", "github_pat_" + _fill("gf", 45)),
    "GitLab token": ("gl", "glpat-" + _fill("gl", 20)),
    "Slack token": ("sl", "xoxb-" + _fill("sl", 30)),
    "Stripe key": ("st", "sk_live_" + _fill("st", 24)),
    "OpenAI key": ("ai", "sk-proj-" + _fill("ai", 40)),
    "Google key": ("go", "AIza" + _fill("go", 35)),
    "npm token": ("np", "npm_" + _fill("np", 36)),
    "PyPI token": ("py", "pypi-" + _fill("py", 60)),
    "key of this server": ("s0", "s0_live_" + _fill("s0", 38)),
    "JSON web token": ("jw", f"eyJ{_fill('j1', 20)}.eyJ{_fill('j2', 30)}.{_fill('j3', 40)}"),
    "password in a URL": ("ur", "alice:Tr0ub4dor-and-3"),
    "password in a query": ("pw", "correct-horse-battery"),
}
AROUND: Final = {"ur": ("https://", "@example.com/x"), "pw": ("password=", "")}


def _text(name: str) -> str:
    """A secret as it stands in a text."""
    kind, secret = SECRETS[name]
    before, after = AROUND.get(kind, ("", ""))
    return f"List the tickets that mention {before}{secret}{after} today"


def _places(text: str) -> dict[str, Any]:
    """A request with a text in every place that takes one."""
    return {
        "goal": text,
        "tools": ["search_tickets"],
        "success_criteria": [text],
        "constraints": ["read-only", f"note: {text}"],
        "side_effects": ["read"],
        "context": {
            "tool_arguments": {"query": text, text: ["x", {"deep": text}]},
            "tool_description": text,
            "approval_reason": text,
            "ticket_id": text,
            "run_id": text,
            "unknown": [text],
        },
    }


def _written(server: Server) -> bytes:
    """Every byte that the server has written: the database, what belongs to it, and its output."""
    files = [*server.database.parent.glob("stage0.db*"), server.folder / "log"]
    return b"".join(path.read_bytes() for path in files)


def _nowhere(server: Server, secret: str) -> bool:
    """Not as it is, not as JSON has it, not in parts that are long enough to matter."""
    written = _written(server)
    lines = [secret, json.dumps(secret)[1:-1], *re.split(r"[\n.]", secret)]
    return not any(line.encode() in written for line in lines if len(line) > 8 and not line.startswith("-----"))


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("debug", [False, True], ids=["recorded", "stored whole"])
def test_a_secret_in_a_request_is_written_nowhere(name: str, debug: bool, server: Server) -> None:
    kind, secret = SECRETS[name]
    answer = server.check(**_places(_text(name)), debug_store_input=debug)
    assert answer.status == 200
    record = server.get(f"/checks/{answer.body['request_id']}", key=KEY)
    assert secret not in json.dumps(record.body, ensure_ascii=False)
    assert f"[[S0:{kind}:" in record.body["goal"]
    assert (record.body["input"] is not None) == debug
    assert _nowhere(server, secret)


def test_a_secret_that_is_spelled_with_unicode_escapes_is_written_nowhere(server: Server) -> None:
    secret = SECRETS["GitHub token"][1][:-1] + "Z"
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in secret)
    answer = server.post("/check", f'{{"goal": "List tickets {spelled}", "tools": ["search_tickets"]}}'.encode())
    assert answer.status == 200
    assert _nowhere(server, secret)


def test_a_password_in_a_url_with_escaped_slashes_is_written_nowhere(server: Server) -> None:
    """PHP's json_encode and others write `\\/` for a slash."""
    body = rb'{"goal": "List the page https:\/\/bob:hunter-2-escaped@example.com\/x", "tools": ["http_get"]}'
    answer = server.post("/check", body)
    assert answer.status == 200
    assert _nowhere(server, "hunter-2-escaped")


def test_a_secret_in_an_outcome_is_written_nowhere(server: Server) -> None:
    secret = SECRETS["GitLab token"][1] + "outcome"
    request_id = server.check(goal="List the open tickets", tools=["search_tickets"]).body["request_id"]
    reported = server.post(f"/checks/{request_id}/outcome", {"status": "failed", "detail": f"login {secret} failed"})
    assert reported.status == 200
    [outcome] = server.get(f"/checks/{request_id}", key=KEY).body["outcomes"]
    assert outcome["detail"].startswith("login [[S0:gl:")
    assert _nowhere(server, secret)


def test_a_secret_in_a_sent_request_id_is_written_nowhere(server: Server) -> None:
    secret = SECRETS["Stripe key"][1] + "header"
    answer = server.post(
        "/check", {"goal": "List the open tickets", "tools": ["search_tickets"]}, headers={"X-Request-Id": secret}
    )
    assert answer.status == 200
    assert _nowhere(server, secret)


def test_a_secret_in_a_refused_request_is_written_nowhere(server: Server) -> None:
    secret = SECRETS["npm token"][1] + "refused"
    for body in ({"goal": 5, "tools": [secret]}, {"goal": "x", "tools": secret}):
        assert server.post("/check", body).status == 422
    assert server.post("/check", f'{{"goal": "{secret}"'.encode()).status == 422
    assert server.check(goal="List tickets", policy_pack_version=secret).status == 409
    assert _nowhere(server, secret)


def test_equal_secrets_have_equal_placeholders_and_others_others(server: Server) -> None:
    def placeholder(secret: str) -> str:
        answer = server.check(goal=f"List tickets about {secret}", tools=["search_tickets"])
        goal = server.get(f"/checks/{answer.body['request_id']}", key=KEY).body["goal"]
        found = re.search(r"\[\[S0:gh:[0-9a-f]{8}\]\]", goal)
        assert found, goal
        return found[0]

    one = SECRETS["GitHub token"][1]
    assert placeholder(one) == placeholder(one) != placeholder(one + "x")


# -- keys


@pytest.fixture
def key_texts(server: Server) -> list[str]:
    """Keys that were made, used, refused and revoked."""
    live, test = new_key(server), new_key(server, mode="test")
    unknown = "s0_live_" + "q" * 38
    for text in (live.text, test.text, unknown, KEY):
        server.check(goal="List the open tickets", tools=["search_tickets"], key=text)
        server.get("/checks", key=text)
    return [live.text, test.text, unknown, KEY]


def test_the_text_of_a_key_is_written_nowhere(server: Server, key_texts: list[str]) -> None:
    database = b"".join(path.read_bytes() for path in server.database.parent.glob("stage0.db*"))
    for text in nonempty(key_texts):
        assert text.encode() not in database
        assert text[:-6].encode() not in database
    # `stage0 dev` greets with the key that STAGE0_DEV_KEY set, once; nothing else of its output holds a key.
    greeting, _, log = server.log().partition("try ")
    assert not any(text in greeting for text in nonempty(text for text in key_texts if text != KEY))
    assert not any(text in log.partition("\n")[2] for text in nonempty(key_texts))


def test_a_key_cannot_be_found_by_a_plain_hash_of_it(server: Server, key_texts: list[str]) -> None:
    with database(server) as (connection, keyring, _):
        stored = {row[0] for row in connection.exec_driver_sql("SELECT hash FROM api_keys")}
    for text in nonempty(key_texts[:2]):
        assert keyring.hashes(text)[0] in stored
        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            assert hashlib.new(algorithm, text.encode()).hexdigest() not in stored


def test_no_answer_shows_the_key(server: Server, key_texts: list[str]) -> None:
    for text in nonempty(key_texts):
        for answer in (
            server.check(goal="List the open tickets", tools=["search_tickets"], key=text),
            server.check(goal="", key=text),
            server.get("/checks", key=text),
        ):
            assert text not in answer.raw.decode()
            assert text not in str(answer.headers)
