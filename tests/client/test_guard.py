"""The guard runs a tool after an ALLOW of a real server and not otherwise, and says what became of it."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import Any, Final

import pytest

from stage0 import AsyncClient, AsyncGuard, Blocked, Client, Guard, Stage0Error
from stage0.cli.main import cli
from stage0.client.guard import Action, arguments_of
from tests.client.flaky import network
from tests.client.test_client import GOOD, NO_DECISION, answering
from tests.running import KEY, Server, free_port
from tests.server.issuing import Issued, new_key, put

LIST: Final = "List the open tickets"
DELETE: Final = "Delete all users"
SECRET: Final = "the-password-of-the-tests"

#: Runs a tool `tool(*args, **kwargs)` behind a guard of either kind: url, key, goal, the tool, and the guard's options.
Run = Callable[..., Any]


def _sync(url: str, key: str, goal: str, tool: Callable[..., Any], *args: Any, **more: Any) -> Any:
    kwargs, options = more.pop("kwargs", {}), more.pop("options", {})
    with Client(url, api_key=key, timeout=5) as client:
        return Guard(client, **options).tool(goal, **more)(tool)(*args, **kwargs)


def _async(url: str, key: str, goal: str, tool: Callable[..., Any], *args: Any, **more: Any) -> Any:
    kwargs, options = more.pop("kwargs", {}), more.pop("options", {})

    async def search_tickets(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return tool(*args, **kwargs)

    # The same name and arguments as the tool.
    search_tickets.__name__ = tool.__name__
    search_tickets.__signature__ = inspect.signature(tool)  # type: ignore[attr-defined]

    async def run() -> Any:
        async with AsyncClient(url, api_key=key, timeout=5) as client:
            return await AsyncGuard(client, **options).tool(goal, **more)(search_tickets)(*args, **kwargs)

    return asyncio.run(run())


each_guard = pytest.mark.parametrize("run", [_sync, _async], ids=["sync", "async"])


class Tools:
    """Tools that remember being called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def search_tickets(self, query: str = "open", limit: int = 10) -> list[str]:
        self.calls.append((query, limit))
        return ["T-1"]

    def delete_users(self) -> str:
        self.calls.append("deleted")
        return "gone"

    def fail(self) -> None:
        self.calls.append("failed")
        raise ValueError(f"cannot log in with {SECRET}")


@pytest.fixture
def tools() -> Tools:
    """Tools that nobody has called."""
    return Tools()


@pytest.fixture
def key(server: Server) -> Issued:
    """A key whose records are this test's alone."""
    return new_key(server, plan="pro")


@pytest.fixture
def watching(server: Server) -> Issued:
    """An observe-only key whose records are this test's alone."""
    return new_key(server, plan="pro", enforcement="observe")


def _records(server: Server, key: Issued) -> list[dict[str, Any]]:
    """The key's records, newest first, each whole."""
    listed = server.get("/checks", key=key.text).body["checks"]
    return [server.get(f"/checks/{record['request_id']}", key=key.text).body for record in listed]


# -- what runs


@each_guard
def test_an_allowed_tool_runs_once_with_its_arguments_and_gives_its_result(
    run: Run, tools: Tools, server: Server, key: Issued
) -> None:
    assert run(server.url, key.text, LIST, tools.search_tickets, "late", kwargs={"limit": 3}) == ["T-1"]
    assert tools.calls == [("late", 3)]
    [record] = _records(server, key)
    assert record["request"]["tools"] == ["search_tickets"]
    assert record["request"]["context"] == {"tool_arguments": {"query": "late", "limit": 3}}
    [outcome] = record["outcomes"]
    assert (outcome["status"], outcome["detail"], outcome["cost_usd"]) == ("executed", "", None)


@each_guard
def test_defaults_are_proposed_too(run: Run, tools: Tools, server: Server, key: Issued) -> None:
    run(server.url, key.text, LIST, tools.search_tickets)
    [record] = _records(server, key)
    assert record["request"]["context"]["tool_arguments"] == {"query": "open", "limit": 10}


@each_guard
@pytest.mark.parametrize(
    ("goal", "fields", "verdict"),
    [
        (DELETE, {}, "DENY"),
        (DELETE, {"constraints": ["approval required"]}, "DEFER"),
        (LIST, {"side_effects": ["data deletion"]}, "DENY"),
        (LIST, {"tools": ["db.users.delete"]}, "DENY"),
    ],
)
def test_what_is_not_allowed_does_not_run_and_the_whole_answer_says_why(
    goal: str, fields: dict[str, Any], verdict: str, run: Run, tools: Tools, server: Server, key: Issued
) -> None:
    tool = tools.search_tickets if fields else tools.delete_users
    with pytest.raises(Blocked) as blocked:
        run(server.url, key.text, goal, tool, **fields)
    assert tools.calls == []
    error = blocked.value
    assert isinstance(error, Stage0Error)
    assert (error.answer["verdict"], error.code, error.status) == (verdict, verdict, 200)
    assert (str(error), error.request_id) == (error.answer["reason"], error.answer["request_id"])
    [record] = _records(server, key)
    assert record["answer"] == error.answer
    assert record["outcomes"] == []
    assert record["trace"]["final_runtime_action"] == "execution_stopped"


@each_guard
def test_arguments_alone_can_block(run: Run, server: Server, key: Issued) -> None:
    called = []

    def query(sql: str) -> None:
        called.append(sql)

    run(server.url, key.text, "Read the report", query, "SELECT count(*) FROM tickets")
    with pytest.raises(Blocked):
        run(server.url, key.text, "Read the report", query, "DROP TABLE users")
    assert called == ["SELECT count(*) FROM tickets"]


@each_guard
def test_context_of_the_guard_and_of_the_tool_goes_along_and_the_real_arguments_win(
    run: Run, tools: Tools, server: Server, key: Issued
) -> None:
    run(
        server.url,
        key.text,
        LIST,
        tools.search_tickets,
        context={"environment": "staging", "tool_arguments": {"query": "forged"}},
        options={"context": {"run_id": f"guarded-{key.id}", "environment": "production"}},
    )
    [record] = _records(server, key)
    assert record["request"]["context"] == {
        "run_id": f"guarded-{key.id}",
        "environment": "staging",
        "tool_arguments": {"query": "open", "limit": 10},
    }


# -- failing closed


@each_guard
def test_without_a_server_nothing_runs(run: Run, tools: Tools) -> None:
    with pytest.raises(Stage0Error) as failed:
        run(f"http://127.0.0.1:{free_port()}", KEY, LIST, tools.search_tickets)
    assert not isinstance(failed.value, Blocked)
    assert tools.calls == []


@each_guard
@pytest.mark.parametrize("status", ["disabled", "revoked"])
def test_a_key_that_is_refused_runs_nothing(status: Any, run: Run, tools: Tools, server: Server, key: Issued) -> None:
    put(server, key, status)
    with pytest.raises(Stage0Error) as failed:
        run(server.url, key.text, LIST, tools.search_tickets)
    assert not isinstance(failed.value, Blocked)
    assert tools.calls == []


@each_guard
@pytest.mark.parametrize("body", NO_DECISION.values(), ids=NO_DECISION.keys())
def test_a_200_without_a_whole_decision_runs_nothing(body: bytes, run: Run, tools: Tools) -> None:
    with answering(200, body) as url, pytest.raises(Stage0Error):
        run(url, KEY, LIST, tools.search_tickets)
    assert tools.calls == []


OBSERVE: Final = {**GOOD, "meta": {"source": "live", "enforcement": "observe"}}
ODD_META: Final[list[Any]] = [
    None,
    "observe",
    ["observe"],
    {},
    {"enforcement": "enforce"},
    {"enforcement": "OBSERVE"},
    {"enforcement": True},
    {"enforcement": ["observe"]},
    {"enforcement": None},
    {"observe": "observe"},
]


@each_guard
@pytest.mark.parametrize("status", [201, 400, 401, 402, 403, 409, 422, 429, 500])
def test_an_error_runs_nothing_whatever_its_body_says_of_observing(status: int, run: Run, tools: Tools) -> None:
    for decision, verdict in (("GO", "ALLOW"), ("NO_GO", "DENY")):
        body = {**OBSERVE, "decision": decision, "verdict": verdict}
        with answering(status, json.dumps(body).encode()) as url, pytest.raises(Stage0Error):
            run(url, KEY, LIST, tools.search_tickets)
    assert tools.calls == []


@each_guard
@pytest.mark.parametrize("meta", ODD_META, ids=repr)
def test_only_the_answers_own_word_lets_a_tool_run_that_was_not_allowed(meta: Any, run: Run, tools: Tools) -> None:
    answer = {**GOOD, "decision": "NO_GO", "verdict": "DENY", "enforcement": "observe", "meta": meta}
    with answering(200, json.dumps(answer).encode()) as url, pytest.raises(Blocked):
        run(url, KEY, LIST, tools.search_tickets)
    assert tools.calls == []


@each_guard
def test_arguments_that_cannot_be_sent_run_nothing(run: Run, tools: Tools, server: Server, key: Issued) -> None:
    circle: list[Any] = []
    circle.append(circle)
    for odd in (object(), float("nan"), "\ud800", circle, {1, 2}):
        with pytest.raises(Stage0Error, match="cannot be proposed"):
            run(server.url, key.text, LIST, tools.search_tickets, odd)
    with pytest.raises(TypeError):
        run(server.url, key.text, LIST, tools.search_tickets, 1, 2, 3)
    assert tools.calls == []
    assert _records(server, key) == []


# -- outcomes


@each_guard
def test_a_failure_is_reported_by_its_type_alone_and_raised_as_it_is(
    run: Run, tools: Tools, server: Server, key: Issued
) -> None:
    with pytest.raises(ValueError, match=SECRET):
        run(server.url, key.text, LIST, tools.fail, tools=["search_tickets"])
    [record] = _records(server, key)
    [outcome] = record["outcomes"]
    assert (outcome["status"], outcome["detail"]) == ("failed", "ValueError")
    assert SECRET not in str(record)


@each_guard
@pytest.mark.parametrize("fault", ["lost", "unanswered", "503"])
def test_a_report_that_fails_hides_neither_the_result_nor_the_exception_and_is_logged(
    fault: str, run: Run, tools: Tools, server: Server, key: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stage0.guard")
    with network(server, "ok", fault) as between:
        assert run(between.url, key.text, LIST, tools.search_tickets) == ["T-1"]
    with network(server, "ok", fault) as between, pytest.raises(ValueError, match=SECRET):
        run(between.url, key.text, LIST, tools.fail, tools=["search_tickets"])
    newest, oldest = _records(server, key)
    said = [record.getMessage() for record in caplog.records if record.name == "stage0.guard"]
    assert [line.partition(" was not")[0] for line in said] == [
        f"the outcome of {oldest['request_id']} (executed)",
        f"the outcome of {newest['request_id']} (failed)",
    ]
    assert SECRET not in caplog.text


@each_guard
def test_a_check_that_is_lost_on_the_way_counts_once_and_the_tool_runs_once(
    run: Run, tools: Tools, server: Server, key: Issued
) -> None:
    with network(server, "unanswered", "lost") as between:
        assert run(between.url, key.text, LIST, tools.search_tickets) == ["T-1"]
    assert len(tools.calls) == 1
    [record] = _records(server, key)
    assert [outcome["status"] for outcome in record["outcomes"]] == ["executed"]


def test_a_block_is_guarded_and_says_what_it_did_and_cost(server: Server, key: Issued) -> None:
    def interrupted(action: Action) -> None:
        action.detail = "2 found"
        raise KeyboardInterrupt

    with Client(server.url, api_key=key.text) as client:
        guard = Guard(client)
        with guard.action(LIST, tools=["search_tickets"]) as action:
            assert action.answer["verdict"] == "ALLOW"
            action.detail, action.cost_usd = "3 found", 0.25
        with pytest.raises(KeyboardInterrupt), guard.action(LIST, tools=["search_tickets"]) as action:
            interrupted(action)
        with pytest.raises(Blocked), guard.action(DELETE, tools=["delete_users"]):
            raise AssertionError("it ran")
    blocked, halted, done = _records(server, key)
    [outcome] = done["outcomes"]
    assert (outcome["status"], outcome["detail"], outcome["cost_usd"]) == ("executed", "3 found", 0.25)
    [outcome] = halted["outcomes"]
    assert (outcome["status"], outcome["detail"]) == ("failed", "2 found; KeyboardInterrupt")
    assert blocked["outcomes"] == []


def test_an_async_block_is_guarded_and_a_cancelled_one_is_reported_as_failed(server: Server, key: Issued) -> None:
    async def main() -> None:
        async with AsyncClient(server.url, api_key=key.text) as client:
            guard = AsyncGuard(client)
            async with guard.action(LIST, tools=["search_tickets"]) as action:
                action.cost_usd = 0.25
            with pytest.raises(Blocked):
                async with guard.action(DELETE, tools=["delete_users"]):
                    raise AssertionError("it ran")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1), guard.action(LIST, tools=["search_tickets"]):
                    await asyncio.sleep(60)

    asyncio.run(main())
    cancelled, _, done = _records(server, key)
    assert done["outcomes"][0]["cost_usd"] == 0.25
    [outcome] = cancelled["outcomes"]
    assert (outcome["status"], outcome["detail"]) == ("failed", "CancelledError")


def test_a_check_alone_leaves_running_and_reporting_to_the_caller(server: Server, key: Issued) -> None:
    with Client(server.url, api_key=key.text) as client:
        assert Guard(client).check(LIST, tools=["search_tickets"])["verdict"] == "ALLOW"
        with pytest.raises(Blocked):
            Guard(client).check(DELETE, tools=["delete_users"])

    async def main() -> None:
        async with AsyncClient(server.url, api_key=key.text) as client:
            assert (await AsyncGuard(client).check(LIST, tools=["search_tickets"]))["verdict"] == "ALLOW"
            with pytest.raises(Blocked):
                await AsyncGuard(client).check(DELETE, tools=["delete_users"])

    asyncio.run(main())
    assert [record["outcomes"] for record in _records(server, key)] == [[]] * 4


# -- observe-only


@each_guard
@pytest.mark.parametrize(("constraints", "verdict"), [((), "DENY"), (("approval required",), "DEFER")])
def test_under_an_observe_only_key_the_tool_runs_and_its_outcome_says_what_would_have_been(
    constraints: tuple[str, ...], verdict: str, run: Run, tools: Tools, server: Server, watching: Issued
) -> None:
    seen: list[dict[str, Any]] = []
    options = {"on_would_stop": seen.append}
    done = run(server.url, watching.text, DELETE, tools.delete_users, constraints=constraints, options=options)
    assert (done, tools.calls) == ("gone", ["deleted"])
    [record] = _records(server, watching)
    assert seen == [record["answer"]]
    assert record["verdict"] == verdict
    [outcome] = record["outcomes"]
    assert (outcome["status"], outcome["detail"]) == ("executed", f"observe-only: {verdict} would have stopped it")


@each_guard
def test_under_an_observe_only_key_a_failure_is_a_failure_and_an_allow_is_nothing_special(
    run: Run, tools: Tools, server: Server, watching: Issued
) -> None:
    seen: list[dict[str, Any]] = []
    run(server.url, watching.text, LIST, tools.search_tickets, options={"on_would_stop": seen.append})
    assert seen == []
    with pytest.raises(ValueError, match=SECRET):
        run(server.url, watching.text, DELETE, tools.fail, tools=["delete_users"])
    failed, done = (record["outcomes"][0] for record in _records(server, watching))
    assert (done["status"], done["detail"]) == ("executed", "")
    assert (failed["status"], failed["detail"]) == ("failed", "ValueError; observe-only: DENY would have stopped it")


@each_guard
def test_a_callback_that_fails_stops_nothing_and_is_logged(
    run: Run, tools: Tools, server: Server, watching: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(answer: dict[str, Any]) -> None:
        raise RuntimeError("the pager is down")

    done = run(server.url, watching.text, DELETE, tools.delete_users, options={"on_would_stop": broken})
    assert done == "gone"
    assert "the pager is down" in caplog.text


@each_guard
def test_the_kill_switch_stops_an_observe_only_key_too(
    run: Run, tools: Tools, server: Server, watching: Issued
) -> None:
    from click.testing import CliRunner

    def switch(word: str) -> None:
        assert CliRunner().invoke(cli, [word, "key", watching.id], env=server.environment).exit_code == 0

    switch("stop")
    with pytest.raises(Blocked, match="KILL_SWITCH"):
        run(server.url, watching.text, LIST, tools.search_tickets)
    switch("resume")
    assert run(server.url, watching.text, LIST, tools.search_tickets) == ["T-1"]
    assert len(tools.calls) == 1


# -- what can be guarded


def test_a_function_that_the_guard_would_not_run_to_its_end_is_refused_when_it_is_decorated() -> None:
    async def later() -> None: ...

    def now() -> None: ...

    def pieces() -> Iterator[int]:
        yield 1

    async def later_pieces() -> AsyncIterator[int]:
        yield 1

    kinds: list[tuple[Callable[..., Any], str, str]] = [
        (now, "", "use Guard"),
        (later, "use AsyncGuard", ""),
        (pieces, "a generator", "a generator"),
        (later_pieces, "a generator", "a generator"),
    ]
    guard = Guard(Client("http://127.0.0.1:1", api_key=KEY))
    other = AsyncGuard(AsyncClient("http://127.0.0.1:1", api_key=KEY))
    for function, sync_says, async_says in kinds:
        for decorate, said in ((guard.tool(LIST), sync_says), (other.tool(LIST), async_says)):
            with pytest.raises(TypeError, match=said) if said else nullcontext():
                decorate(function)


def test_a_guarded_function_keeps_its_name_and_its_words(server: Server) -> None:
    with Client(server.url, api_key=KEY) as client:

        @Guard(client).tool(LIST)
        def search_tickets(query: str) -> str:
            """Search."""
            return query

    assert (search_tickets.__name__, search_tickets.__doc__) == ("search_tickets", "Search.")


def test_a_method_is_proposed_without_its_object(server: Server, key: Issued) -> None:
    with Client(server.url, api_key=key.text) as client:

        class Desk:
            @Guard(client).tool(LIST)
            def search_tickets(self, query: str) -> str:
                return query

        assert Desk().search_tickets("late") == "late"
    [record] = _records(server, key)
    assert record["request"]["context"]["tool_arguments"] == {"query": "late"}


def test_no_argument_of_a_call_is_left_out() -> None:
    def call(a: int, /, b: int, *rest: int, c: int = 3, **more: Any) -> None: ...

    def method(self: Any, self_: int, *, cls: int) -> None: ...

    assert arguments_of(call, (1, 2, 5, 6), {"x": 7}) == {"a": 1, "b": 2, "rest": (5, 6), "c": 3, "x": 7}
    assert arguments_of(call, (1, 2), {}) == {"a": 1, "b": 2, "rest": (), "c": 3}
    # A name that would stand twice hides nothing.
    assert arguments_of(call, (1, 2), {"a": 7, "self": 8}) == {
        "a": 1,
        "b": 2,
        "rest": (),
        "c": 3,
        "more": {"a": 7, "self": 8},
    }
    assert arguments_of(method, (object(), 1), {"cls": 2}) == {"self_": 1, "cls": 2}
    with pytest.raises(TypeError):
        arguments_of(call, (), {})


def test_blocked_can_be_sent_to_another_process() -> None:
    blocked = Blocked({**GOOD, "decision": "NO_GO", "verdict": "DENY", "reason": "SOME_CODE: no."})
    copy = pickle.loads(pickle.dumps(blocked))
    assert (type(copy), str(copy), copy.answer) == (Blocked, "SOME_CODE: no.", blocked.answer)


def test_the_guard_loads_nothing_of_the_engine_or_the_server() -> None:
    code = "import sys, stage0; stage0.Guard; print(*sorted(n for n in sys.modules if n.startswith('stage0')))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ran.stdout.split() == [
        "stage0",
        "stage0.client",
        *[f"stage0.client.{name}" for name in ("answer", "client", "errors", "guard", "proposal", "transport")],
    ]
