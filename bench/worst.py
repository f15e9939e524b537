"""The worst bodies: what an attacker would send, each named, and how long every stage of a check takes for it.

`python -m bench.worst [NAME...]` prints one CSV line for each body; names are taken by any part. Nothing is refused
for its looks here: a body that the server refuses takes as long as it takes to refuse it. `WORST` has the bodies.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from stage0.core.decide import decide, prepare
from stage0.core.masking import mask, may_hold_secrets
from stage0.policy import shipped_packs
from stage0.reading.request import Caller, State
from stage0.server.logs import quiet_parsers
from stage0.wire import Invalid, answer, encode, parse, read_check

#: Bytes of the largest body that the server reads.
_MOST: Final = 1_000_000
_STATE: Final = State(Caller("acc_bench"))
_NOW: Final = 1_773_655_200.0
_ROUNDS: Final = 3
#: Seconds after which a body is not measured again.
_ENOUGH: Final = 2.0
#: What a body may take: milliseconds for each 16 KB, and for the largest.
_EACH_16_KB_MS: Final = 10.0
_LARGEST_MS: Final = 1_000.0


def _body(**fields: Any) -> bytes:
    sent = {"goal": "Go on", "success_criteria": ["done"], "tools": ["search"], **fields}
    return json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()


def _context(**fields: Any) -> bytes:
    return _body(context=fields)


def _called(tool: str, **arguments: Any) -> bytes:
    return _body(tools=[tool], context={"tool_arguments": arguments})


def _most(one: str, size: int = _MOST - 1_000) -> str:
    """A text over and over, of so many bytes."""
    return one * (size // len(one.encode()))


def _deep(levels: int, inside: Any, key: str = "k" * 250) -> Any:
    """A value in objects in objects, with long keys: its path is long."""
    for _ in range(levels):
        inside = {key: inside}
    return inside


def _raw(body: bytes, old: str, new: str) -> bytes:
    """A body with something in it written otherwise, such as with escapes."""
    return body.replace(old.encode(), new.encode())


_ESCAPED: Final = "\\u0041"
_SEPARATE: Final = [f"n{number}" for number in range(1_000)]


def _scopes() -> dict[str, bytes]:
    """Lists that rules compare with other lists."""
    names = [f"s{number}" for number in range(1_900)]
    many = [f"{number}" for number in range(18_000)]
    tall = ["a/" * (2 * level) + "b" for level in range(450)]
    return {
        "1,900 targets in 1,900 scopes": _context(
            target_resources=[f"t{n}" for n in range(1_900)], resource_scope=names
        ),
        "18,000 targets in 18,000 scopes": _context(target_resources=[f"t{n}" for n in many], resource_scope=many),
        "1,000 targets in 1,000 scopes": _context(
            target_resources=[f"t{n}" for n in range(1_000)], resource_scope=names[:1_000]
        ),
        "1,000 targets in 200 scopes that hold them all": _body(
            constraints=[f"resource_scope:{'r/' * (1 + n % 100)}{'*' * (n // 100)}" for n in range(200)],
            context={"target_resources": ["r/" * 101 + str(n) for n in range(1_000)]},
        ),
        "1,000 targets in 200 long lists of scopes": _body(
            constraints=[f"resource_scope:{','.join(f't{n}' for n in range(300))},r" for _ in range(200)],
            context={"target_resources": [f"r/{n}" for n in range(1_000)]},
        ),
        "deep targets in deep scopes": _context(target_resources=tall, resource_scope=["a/" * 450 + "c"]),
        "deep targets in a shallow scope": _context(
            target_resources=["a/" * 990 + str(n) for n in range(480)], resource_scope=["a"]
        ),
        "200 lists of servers, 240,000 servers": _body(
            constraints=[f"allowed_mcp_servers:a{n},s" for n in range(200)],
            context={"active_mcp_servers": ["s"] * 240_000},
        ),
        "200 lists of servers, 1,000 servers": _body(
            constraints=[f"allowed_mcp_servers:a{n},s" for n in range(200)],
            context={"active_mcp_servers": ["s"] * 1_000},
        ),
        "200 lists of tools": _body(
            constraints=[f"allowed_tools:{','.join(f't{n}' for n in range(250))}" for _ in range(200)],
            tools=[f"t{n}" for n in range(200)],
        ),
        "200 lists of roles": _body(
            constraints=[f"role:{','.join(f'r{n}' for n in range(300))}" for _ in range(200)],
            context={"actor_role": "r299", "user_role": "r1", "requester_role": "r2"},
        ),
        "200 lists of environments": _body(
            constraints=[f"allowed_environment:{','.join(f'e{n}' for n in range(300))}" for _ in range(200)],
            context={"environment": "e299", "target_environment": "e1"},
        ),
        "tenants": _body(
            constraints=["tenant_isolation"],
            context={"tenant_id": "t", "target_tenants": [f"t{n}" for n in range(1_000)]},
        ),
        "servers of 1,000": _body(
            constraints=["allowed_mcp_servers:a"], context={"active_mcp_servers": [f"server {n}" for n in range(1_000)]}
        ),
        "a list of 240,000 in a field that no rule reads": _context(evidence=["s"] * 240_000),
        "recent tools": _context(recent_tools=["s"] * 240_000, loop_state={"repeated_tools": ["s"] * 2}),
        "recent tools, nested": _context(loop_state={"recent_tools": ["s"] * 240_000}),
    }


def _people() -> dict[str, bytes]:
    approved = {"approval_status": "approved", "approved_at": "2026-03-16T09:00:00Z"}
    pay: dict[str, Any] = {"goal": "Pay the invoice", "tools": ["pay_invoice"], "constraints": ["approvers:2"]}
    return {
        "a megabyte of approvers": _body(**pay, context={**approved, "approved_by": _most("ab,")}),
        "8,000 characters of approvers": _body(**pay, context={**approved, "approved_by": _most("ab,", 7_990)}),
        "approvers, all of them others": _body(
            **pay, context={**approved, "approved_by": ",".join(f"{n:x}" for n in range(1_900))[:7_990]}
        ),
        "approvers that are also agents": _body(
            **pay,
            context={
                **approved,
                **dict.fromkeys(("approved_by", "requested_by", "agent_name", "agent_id"), _most("一、", 7_990)),
            },
        ),
        "a megabyte of separators": _body(**pay, context={**approved, "approved_by": _most(",")}),
        "a megabyte of blanks": _body(**pay, context={**approved, "approved_by": "a" + _most(" ") + "b"}),
        "a megabyte of punctuation": _context(actor_role=_most("?!")),
        "a megabyte of a time": _context(approved_at="2026-03-16T09:00:00." + _most("0") + "Z"),
        "a megabyte of an environment": _context(environment=_most("prod ")),
        "a megabyte of hidden characters": _context(environment=_most("p\u200b")),
    }


def _strict() -> dict[str, bytes]:
    """What strict JSON has to look at."""
    wide = [""] * 320_000
    flat = _most('"",', 900_000).rstrip(",")
    path = '{"' + "k" * 250 + '":'
    return {
        "deep paths with escapes": _raw(_context(x=_deep(28, ["A", *wide[:300_000]])), '"A"', f'"{_ESCAPED}"'),
        "deep paths with escapes, objects": _raw(
            _context(x=_deep(28, {"A": 1, **{str(n): 1 for n in range(70_000)}})), '"A"', f'"{_ESCAPED}"'
        ),
        "deep paths with a hidden character": _context(x=_deep(27, ["é", *wide[:300_000]])),
        "deep paths in arguments": _called("api_call", x=_deep(26, ["é", *["a"] * 200_000])),
        "deep paths in arguments, objects": _called(
            "api_call", x=_deep(26, {"é": 1, **{str(n): "a" for n in range(60_000)}})
        ),
        "nothing but brackets": _raw(_context(x="A"), '"A"', "[" + _most("[],") + "0]"),
        "nothing but braces": _raw(_context(x="A"), '"A"', "[" + _most("{},") + "0]"),
        "thirty deep, over and over": _raw(_context(x="A"), '"A"', "[" + _most("[" * 28 + "]" * 28 + ",") + "0]"),
        "too deep": _raw(_context(x="A"), '"A"', "[" * 400_000 + "]" * 400_000),
        "empty strings": _raw(_context(x="A"), '"A"', f"[{flat}]"),
        "many keys": _context(**{f"{n:x}": 0 for n in range(95_000)}),
        "one key twice, the last of many": _raw(_context(**{f"{n:x}": 0 for n in range(90_000)}, A=0), '"A"', '"0"'),
        "many digits": _raw(_context(x="A"), '"A"', "[" + ",".join(["9" * 4_200] * 230) + "]"),
        "as many digits as may be": _raw(_context(x="A"), '"A"', "[" + ",".join(["9" * 200] * 4_900) + "]"),
        "many fractions": _raw(_context(x="A"), '"A"', "[" + ",".join(["1.5e-7"] * 140_000) + "]"),
        "one fraction of many digits": _raw(_context(x="A"), '"A"', "0." + "1" * 990_000),
        "numbers that are written longer": _raw(_context(x="A"), '"A"', "[" + ",".join(["1e15"] * 195_000) + "]"),
        "escapes": _raw(_context(x="A"), "A", _most("\\u00e9")),
        "a key of a megabyte": _raw(_context(x="A"), '"A"', path + '"' + "a" * 900_000 + '"}'),
        "not UTF-8 at the end": _context(x="a" * 990_000) + b"\xff",
        "blanks": b" " * 999_000 + b"{}",
        "debug_store_input": _body(debug_store_input=True, context={"x": [["password=hunter2hunter2"] * 2] * 19_000}),
    }


def _secrets() -> dict[str, bytes]:
    github = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    return {
        "secrets": _context(x=_most(f"{github} ")),
        "secrets, each its own text": _context(x=[f"{github[:-6]}{n:06}" for n in range(22_000)]),
        "secrets in a goal": _body(goal=_most(f"{github} ", 7_900)),
        "almost secrets": _context(x=_most("ghp_A1b2C3d4E5 eyJhbGciOi.eyJ password= ://a:a ")),
        "password=": _context(x=_most("password=")),
        "keys that are begun": _context(x=_most("-----BEGIN PRIVATE KEY-----")),
        "digits": _context(x=_most("4111 1111 1111 1112 ")),
        "digits in an argument": _called("api_call", x=_most("4111 1111 1111 1112 ")),
        "base64 in a context": _context(x=_most("QWxhZGRpbjpvcGVuIHNlc2FtZQ")),
        "words of environments": _context(x=_most("prod staging ")),
    }


def _goals() -> dict[str, bytes]:
    texts = {
        "Chinese verbs": "删除发送支付部署",
        "Chinese verbs, one": "删",
        "Chinese verbs and commas": "删除用户，",
        "Japanese verbs": "削除送信支払公開",
        "Japanese sentences": "ユーザーを削除する。",
        "English verbs": "delete send pay deploy ",
        "English verbs, one clause each": "delete users, ",
        "negations": "do not never without not ",
        "negated verbs": "do not delete users, ",
        "nouns": "user account order invoice ",
        "tool names": "delete_users pay_invoice ",
        "calls of tools": "call delete_users then ",
        "quotes": "\"delete 'users “all「",
        "quoted verbs": '"delete" ',
        "quotes in backticks": "`rm -rf /` ",
        "brackets": "(delete [users {all ",
        "letters that are parted": "d e l e t e ",
        "letters as digits": "d3l3t3 ",
        "zero-width characters": "d\u200b",
        "combining marks": "e\u0301",
        "ligatures that fold longer": "\ufdfa",
        "base64": "QWxhZGRpbjpvcGVuIHNlc2FtZQ ",
        "percent signs": "%64%65",
        "line ends": "delete\n",
        "conditions": "if we delete users how to ",
        "shell": "rm -rf / && ",
        "SQL": "DROP TABLE users; ",
    }
    return {f"goal: {name}": _body(goal=(text * 8_000)[:8_000].strip()) for name, text in texts.items()} | {
        f"description: {name}": _context(tool_description=(text * 8_000)[:8_000].strip())
        for name, text in texts.items()
    }


def _fields() -> dict[str, bytes]:
    """Lists of the request, at their limits."""
    found = {}
    for field in ("tools", "side_effects", "constraints", "success_criteria"):
        for name, text in (
            ("names", "delete_users_and_"),
            ("words", "delete users in production, "),
            ("Chinese", "删除发送支付部署"),
            ("humps", "aB"),
            ("marks", "d\u200b"),
            ("numbers", "max_iterations:1 "),
            ("base64", "QWxhZGRpbjpvcGVuIHNlc2FtZQ "),
        ):
            each = min(2_000, 4_900 // len(text.encode()) * len(text))
            found[f"{field}: {name}"] = _body(**{field: [f"{n}{text * each}"[:each] for n in range(200)]})
    found["constraints: just short enough for a phrase"] = _body(
        constraints=[("require human approval for " + "destructive " * 30)[:296] + f"{n:03}" for n in range(200)]
    )
    found["constraints: long lists of names"] = _body(
        constraints=[("role:" + "a," * 1_000)[:1_999] for _ in range(200)]
    )
    found["goal that repeats every argument"] = _body(
        goal="abcd " * 1_599,
        tools=["run_query"],
        context={"tool_arguments": {"sql": [f"abcd{' ' * n}" for n in range(1_000)]}},
    )
    return found


def _arguments() -> dict[str, bytes]:
    shell = {
        "quotes": "\"a\" 'b' ",
        "open quotes": "echo \"a 'b ",
        "pipes": "cat a | ",
        "one long line": "echo hello && ",
        "substitutions": "echo $( ls ) ",
        "open substitutions": "$( ",
        "here documents": "cat <<A\n",
        "semicolons": ";",
        "redirections": "> a ",
        "bash -c": "bash -c ",
        "variables": "a=$b ",
        "words": "a ",
    }
    sql = {
        "statements": "SELECT a FROM t WHERE x = 1;\n",
        "brackets": "(",
        "unions": "SELECT a FROM t UNION ALL ",
        "comments": "/* a */ -- b\n",
        "open quotes": "SELECT 'a\" ",
        "strings": "SELECT 'a', ",
        "values": "(1, 'a'), ",
        "case": "SELECT CASE WHEN a THEN ",
    }
    python = {"calls": "f(x)\n", "brackets": "[", "strings": "'a' + ", "one line": "a = 1; ", "lambdas": "lambda: "}
    found = {f"shell: {name}": _called("run_shell", command=_most(text)) for name, text in shell.items()}
    found |= {
        f"shell, 16 KB: {name}": _called("run_shell", command=_most(text, 16_000)) for name, text in shell.items()
    }
    found |= {f"SQL: {name}": _called("run_query", sql=_most(text)) for name, text in sql.items()}
    found |= {f"SQL, 16 KB: {name}": _called("run_query", sql=_most(text, 16_000)) for name, text in sql.items()}
    found |= {f"Python: {name}": _called("run_python", code=_most(text)) for name, text in python.items()}
    found |= {
        f"Python, 16 KB: {name}": _called("run_python", code=_most(text, 16_000)) for name, text in python.items()
    }
    texts: dict[str, Any] = {
        "words of a command": {"argv": ["echo", *["a"] * 240_000]},
        "words of a command, many": {"command": ["bash", "-c", *["echo a;"] * 90_000]},
        "many commands": {"commands": ["rm -rf /"] * 80_000},
        "many queries": {"queries": ["SELECT 1"] * 80_000},
        "many paths": {"paths": ["../../etc/passwd"] * 50_000},
        "many addresses": {"to": ["a@example.com"] * 60_000, "subject": "Hello", "body": "x"},
        "many ids": {"ids": list(range(140_000))},
        "many amounts": {"amounts": [f"{n} USD" for n in range(80_000)]},
        "many URLs": {"urls": ["https://example.com/delete"] * 33_000, "method": "DELETE"},
        "one URL": {"url": "https://example.com/" + _most("a/")},
        "one query of a URL": {"url": "https://example.com/?" + _most("a=b&")},
        "one URL of escapes": {"url": "https://example.com/" + _most("%2e")},
        "GraphQL": {"query": "mutation { " + _most("deleteUser(id: 1) { id } ") + "}"},
        "GraphQL, open": {"query": "query { " + _most("a { ")},
        "GraphQL fragments": {"query": "query { " + _most("...f ") + "}"},
        "Mongo filter": {"collection": "users", "filter": {"$or": [{"a": 1}] * 100_000}},
        "Mongo pipeline": {"collection": "users", "pipeline": [{"$match": {"a": 1}}] * 40_000},
        "Mongo text": {"collection": "users", "filter": json.dumps({"$or": [{"a": 1}] * 60_000})},
        "calls in calls": {"steps": [{"tool": "delete_users", "arguments": {"a": 1}}] * 20_000},
        "JSON in text": {"body": json.dumps({"a": ["delete"] * 100_000})},
        "JSON in text in text": {"body": json.dumps({"a": json.dumps({"b": json.dumps(["x"] * 100_000)})})},
        "base64": {"body": _most("QWxhZGRpbjpvcGVuIHNlc2FtZQ")},
        "base64, parted": {"body": _most("QWxhZGRpbjpvcGVuIHNlc2FtZQ== ")},
        "hexadecimal": {"body": _most("64656c657465 ")},
        "wide": {f"f{n}": f"v{n}" for n in range(50_000)},
        "wide, commands": {f"command{n}": "rm -rf /" for n in range(30_000)},
        "messages": {"messages": [{"role": "user", "content": "delete all users"}] * 18_000},
        "one text": {"body": _most("The quick brown fox deletes the lazy dog. ")},
        "one text of Chinese verbs": {"body": _most("删除发送支付部署")},
        "one text of Chinese verbs, 16 KB": {"body": _most("删除发送支付部署", 16_000)},
        "one text of digits": {"body": _most("703459 ")},
        "zero-width characters": {"body": _most("d\u200b")},
    }
    tools = {"words of a command": "run_shell", "words of a command, many": "run_shell", "many commands": "run_shell"}
    tools |= {"many queries": "run_query", "many addresses": "send_email"}
    return found | {f"arguments: {name}": _called(tools.get(name, "api_call"), **each) for name, each in texts.items()}


#: Every body by its name.
WORST: Final[Mapping[str, bytes]] = {
    **_scopes(),
    **_people(),
    **_strict(),
    **_secrets(),
    **_goals(),
    **_fields(),
    **_arguments(),
}


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


class Stages(NamedTuple):
    """Milliseconds of each stage. `parse` is strict JSON alone, `read` the whole of `read_check`; `mask` replaces
    secrets in the whole body, as `debug_store_input` asks for. `size` is the answer's, in bytes."""

    parse: float
    read: float
    prepare: float
    decide: float
    encode: float
    mask: float
    size: int
    outcome: str

    @property
    def total(self) -> float:
        return self.read + self.prepare + self.decide + self.encode + self.mask


def measured(body: bytes) -> Stages:
    """The way of one body through reading and deciding."""
    pack = shipped_packs()["stage0-default"]
    clock = time.thread_time
    times = [clock()]

    def passed() -> float:
        times.append(clock())
        return 1e3 * (times[-1] - times[-2])

    try:
        value = parse(body)
    except Invalid:
        spent = passed()
        return Stages(spent, spent, 0.0, 0.0, 0.0, 0.0, 0, "refused")
    parsing = passed()
    try:
        request = read_check(body)
    except Invalid:
        return Stages(parsing, passed(), 0.0, 0.0, 0.0, 0.0, 0, "refused")
    reading = passed()
    secret = b"\\" in body or may_hold_secrets(body.decode())
    ready = prepare(request, pack.knowledge, _fingerprint if secret else None)
    preparing = passed()
    decision = decide(ready.request, pack=pack, state=_STATE, now=_NOW, reading=ready.reading)
    deciding = passed()
    size = len(encode(answer(decision, "req_bench", test_mode=False)))
    encoding = passed()
    mask(value, _fingerprint)
    return Stages(parsing, reading, preparing, deciding, encoding, passed(), size, decision.verdict)


def _best(body: bytes, rounds: int) -> Stages:
    """The shortest of several: whatever else the machine does only adds."""
    found: list[Stages] = []
    while len(found) < rounds and sum(each.total for each in found) < 1e3 * _ENOUGH:
        found.append(measured(body))
    return min(found, key=lambda each: each.total)


def allowed_ms(size: int) -> float:
    """What a body of so many bytes may take."""
    return max(_EACH_16_KB_MS, min(_EACH_16_KB_MS * size / 16_384, _LARGEST_MS))


HEADINGS: Final = (
    "body,bytes,outcome,parse_ms,read_ms,prepare_ms,decide_ms,encode_ms,mask_ms,total_ms,answer_bytes,over"
)


def report(*, quick: bool = False, wanted: Sequence[str] = (), say: Callable[[str], None]) -> None:
    """Measure every body, print each as CSV, and name those that take longer than a body of their size may. `quick`:
    each body once."""
    quiet_parsers()
    measured(_body())
    # As in the server.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    print(HEADINGS)
    over: list[str] = []
    for name, body in WORST.items():
        if wanted and not any(each in name for each in wanted):
            continue
        say(f"worst: {name}")
        found = _best(body, 1 if quick else _ROUNDS)
        late = found.total > allowed_ms(len(body))
        over += [f"{name} ({found.total:.0f} ms)"] if late else []
        times = [f"{each:.2f}" for each in (*found[:6], found.total)]
        print(
            ",".join([f'"{name}"', str(len(body)), found.outcome, *times, str(found.size), "over" * late]), flush=True
        )
    print(f"takes longer than it may: {'; '.join(over) or 'no body'}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of bodies; all where left out")
    report(wanted=parser.parse_args().names, say=lambda text: None)


if __name__ == "__main__":
    main()
