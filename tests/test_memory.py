"""Nothing that masking would replace stays in memory when a request has been answered."""

from __future__ import annotations

import gc
import hashlib
import json
import string
from base64 import b64encode
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import ahocorasick_rs
import msgspec
import pytest

from stage0.core.decide import decide, prepare
from stage0.policy import shipped_packs
from stage0.reading.request import State
from stage0.reading.text.datakinds import SECRETS, find_secrets
from stage0.wire import Invalid, answer, encode, read_check
from tests.asserting import nonempty
from tests.deciding import CALLER, NOW

_PACK: Final = shipped_packs()["stage0-default"]
_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_UPPER: Final = string.ascii_uppercase + string.digits
_HEX: Final = "0123456789abcdef"

#: By the code of each kind: how one is made. `{A40}` are 40 letters and digits, `{U16}` capitals and digits, `{H32}` is
#: hexadecimal, `{D9}` are digits; what stands before a bar and behind one is around the secret and no part of it.
_FORMS: Final = (
    ("pk", "-----BEGIN RSA PRIVATE KEY-----\n{A64}\n{A64}qaprod\n{A64}\n-----END RSA PRIVATE KEY-----"),
    ("aw", "AKIA{U16}"),
    ("gh", "ghp_{A36}"),
    ("gh", "github_pat_{A45}"),
    ("gl", "glpat-{A20}"),
    ("sl", "xoxb-{A30}"),
    ("sw", "hooks.slack.com/services/|T{U8}/B{U8}/{A24}|"),
    ("st", "sk_live_{A24}"),
    ("sh", "shpat_{H32}"),
    ("ai", "sk-proj-{A40}"),
    ("hf", "hf_{A34}"),
    ("go", "AIza{A35}"),
    ("gy", "ya29.{A40}"),
    ("np", "npm_{A36}"),
    ("py", "pypi-{A60}"),
    ("s0", "s0_live_{A38}"),
    ("sg", "SG.{A22}.{A43}"),
    ("tw", "SK{H32}"),
    ("tg", "{D9}:AA{A33}"),
    ("dw", "/api/webhooks/|{D18}/{A68}|"),
    ("do", "dop_v1_{H64}"),
    ("da", "dapi{H32}"),
    ("hv", "hvs.{A24}"),
    ("li", "lin_api_{A40}"),
    ("no", "ntn_{A46}"),
    ("jw", "eyJ{A20}.eyJ{A30}.{A40}"),
    ("az", "AccountKey=|{A86}==|"),
    ("ur", "postgres://|admin:{A20}|@db.internal/shop"),
    ("pw", "password=|{A20}|"),
    ("pw", "token=|delete-{A8}-users-{A8}|"),
)
_ALPHABETS: Final = {"A": _ALPHANUMERIC, "U": _UPPER, "H": _HEX, "D": string.digits}


def _made(form: str, seed: str) -> tuple[str, str]:
    """A text with a secret in it, and the secret. The same for the same seed, so that nobody needs to hold it."""
    random = Random(f"{form} {seed}")
    for sign, alphabet in _ALPHABETS.items():
        while (at := form.find("{" + sign)) >= 0:
            end = form.index("}", at)
            form = form[:at] + "".join(random.choices(alphabet, k=int(form[at + 2 : end]))) + form[end + 1 :]
    before, secret, after = form.split("|") if "|" in form else ("", form, "")
    return f"{before}{secret}{after}", secret


def test_every_format_of_the_table_is_tried() -> None:
    assert {code for code, _ in _FORMS} == {known.code for known in SECRETS}
    for code, form in nonempty(_FORMS):
        text, secret = _made(form, "shape")
        assert [(each.code, text[each.start : each.end]) for each in find_secrets(text)] == [(code, secret)]


def _full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


#: How a secret is written: masking replaces the first one, and would replace the others once they are read.
_WRITINGS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": lambda text: text,
    "in full width": _full_width,
    "with an invisible character": lambda text: f"{text[:3]}\u200b{text[3:]}",
    "in escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "with one escape": lambda text: f"{text[:2]}\\u{ord(text[2]):04x}{text[3:]}",
    "in percent": lambda text: "".join(f"%{ord(char):02X}" for char in text),
    "in base64": lambda text: b64encode(text.encode()).decode(),
    "in hexadecimal": lambda text: text.encode().hex(),
    "in base64 twice": lambda text: b64encode(b64encode(text.encode())).decode(),
}

#: Where a text can stand in a request.
_PLACES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "the goal": lambda text: {"goal": f"List the tickets about {text} in production"},
    "the whole goal": lambda text: {"goal": text},
    "a name that the goal calls": lambda text: {"goal": f"Call delete_users and {text}/delete_users()"},
    "a goal that repeats an argument": lambda text: {
        "goal": f"Run ls {text}",
        "context": {"tool_arguments": {"command": f"ls {text[:9]}"}},
    },
    "success criteria": lambda text: {"success_criteria": [text]},
    "a constraint": lambda text: {"constraints": [text]},
    "a constraint's value": lambda text: {"constraints": [f"required_role: {text}", f"allowed_tools={text},x"]},
    "a tool's name": lambda text: {"tools": [text]},
    "a part of a tool's name": lambda text: {"tools": [f"delete.{text}:users"], "context": {"current_tool": text}},
    "a side effect": lambda text: {"side_effects": [text, f"delete {text}"]},
    "a description": lambda text: {"context": {"tool_description": f"Deletes {text}. Then more."}},
    "an approver": lambda text: {"context": {"approved_by": f"dana and {text}", "requested_by": text}},
    "an environment": lambda text: {"context": {"environment": f"prod-{text}", "target_environment": text}},
    "a role": lambda text: {"context": {"actor_role": text}},
    "a time zone": lambda text: {
        "constraints": ["business-hours only"],
        "context": {"timezone": text, "current_time": "2026-03-16T10:00:00+09:00"},
    },
    "a scope": lambda text: {"context": {"resource_scope": [text], "target_resources": [f"{text}/a"]}},
    "an unknown field": lambda text: {"context": {text: {"test": [f"dev {text}"]}}},
    "an argument's key": lambda text: {"context": {"tool_arguments": {text: 1, f"${text}": "x"}}},
    "a key that acts": lambda text: {"context": {"tool_arguments": {f"delete {text} many": "x", f"{text} one": "x"}}},
    "an operation": lambda text: {"context": {"tool_arguments": {"action": text, "method": text, "url": "/x"}}},
    "SQL": lambda text: {
        "context": {"tool_arguments": {"sql": f"SELECT '{text}', f_{text}(1) FROM t WHERE a = \"{text}\""}}
    },
    "a shell command": lambda text: {
        "context": {"tool_arguments": {"command": f"curl -H '{text}' --data {text} <{text} && X={text} cat \"{text}\""}}
    },
    "a program": lambda text: {"context": {"tool_arguments": {"code": f"import os\nos.remove('''{text}''')"}}},
    "a command for MongoDB": lambda text: {"context": {"tool_arguments": {"query": f"db.t.find({{a: '{text}'}})"}}},
    "a query in GraphQL": lambda text: {
        "context": {"tool_arguments": {"query": f'mutation {{ deleteUser(id: "{text}") {{ id }} }}'}}
    },
    "an address": lambda text: {
        "context": {"tool_arguments": {"method": "POST", "url": f"https://x.test/a?{text}", "body": {"a": text}}}
    },
    "a path": lambda text: {"context": {"tool_arguments": {"path": f"/srv/{text}", "operation": "delete"}}},
    "a message": lambda text: {"context": {"tool_arguments": {"to": "a@example.com", "message": f"delete {text}"}}},
    "a task": lambda text: {"tools": ["run_agent"], "context": {"tool_arguments": {"task": f"please delete {text}"}}},
}


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _answer(fields: dict[str, Any]) -> None:
    """What a server does with a request, from its body to the answer."""
    body = json.dumps({"goal": "List the open tickets", "tools": ["search_tickets"], **fields}).encode()
    try:
        request = read_check(body)
    except Invalid:  # a key that is too long: it is refused, and must not stay either
        return
    prepared = prepare(request, _PACK.knowledge, _fingerprint)
    decision = decide(prepared.request, pack=_PACK, state=State(CALLER), now=NOW, reading=prepared.reading)
    encode(answer(decision, "", test_mode=False))


def _texts() -> str:
    """Every text that something in this process still holds, in small letters."""
    gc.collect()
    seen: set[int] = set()
    found: list[str] = []
    waiting: list[Any] = gc.get_objects()
    while waiting:
        held = waiting.pop()
        if id(held) in seen or held is found or held is waiting:
            continue
        seen.add(id(held))
        if isinstance(held, str):
            found.append(held)
        elif isinstance(held, bytes):
            found.append(held.decode("latin-1"))
        elif isinstance(held, msgspec.Struct):  # those that the collector does not follow
            waiting.extend(getattr(held, name, None) for name in held.__struct_fields__)
        else:
            waiting.extend(gc.get_referents(held))
    return "\n".join(found).lower().encode("utf-8", "replace").decode()


def _needles(writing: str, place: str) -> Iterator[tuple[str, str]]:
    """Pieces of each secret that would still tell it, each with the kind of the secret."""
    for code, form in _FORMS:
        text, secret = _made(form, f"{writing} {place}")
        written = _WRITINGS[writing](text)
        body = secret[-12:] if code != "pk" else secret[100:112]
        yield code, body.lower()
        yield code, body[:8].lower()
        if code not in ("ur", "pk"):  # their ends are the same in all
            yield code, written[-12 * len(written) // len(text) :].lower()


def _send_all(writing: str, place: str) -> None:
    for _, form in _FORMS:
        text, _ = _made(form, f"{writing} {place}")
        for _ in range(2):
            _answer(_PLACES[place](_WRITINGS[writing](text)))


def _left(pairs: list[tuple[str, str]]) -> list[str]:
    """What is left of the secrets of some requests: how it was written, where it stood, its kind."""
    texts = _texts()
    needles = [(needle, f"{w}, {p}: {code}") for w, p in pairs for code, needle in _needles(w, p) if len(needle) > 7]
    found = ahocorasick_rs.AhoCorasick([needle for needle, _ in needles]).find_matches_as_indexes(texts)
    return sorted({f"{needles[index][1]} ({needles[index][0]})" for index, _, _ in found})


@pytest.mark.parametrize("writing", _WRITINGS)
def test_no_secret_of_a_request_stays_in_memory(writing: str) -> None:
    pairs = [(writing, place) for place in _PLACES]
    for pair in pairs:
        _send_all(*pair)
    assert _left(pairs) == []


def test_the_search_finds_what_is_held() -> None:
    """Else the test above could not fail."""
    held = [_made(form, f"as it is {place}")[0] for _, form in _FORMS for place in ("the goal",)]
    assert len(_left([("as it is", "the goal")])) >= len(held)
