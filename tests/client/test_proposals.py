"""What is checked is what runs: lists are lists, arguments stay as they are, and what has not run is not executed."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final

import pytest

from stage0 import AsyncClient, AsyncGuard, Client, Guard, Stage0Error
from stage0.client.guard import arguments_of
from tests.asserting import nonempty
from tests.client.flaky import network
from tests.client.peer import peer
from tests.running import KEY, Server
from tests.server.issuing import Issued, new_key

LIST: Final = "List the open tickets"
LISTS: Final = ("tools", "side_effects", "constraints", "success_criteria")


@pytest.fixture
def key(server: Server) -> Issued:
    """A key whose records are this test's alone."""
    return new_key(server, plan="pro")


def _records(server: Server, key: Issued) -> list[dict[str, Any]]:
    listed = server.get("/checks", key=key.text).body["checks"]
    return [server.get(f"/checks/{record['request_id']}", key=key.text).body for record in listed]


def _outcomes(server: Server, key: Issued) -> list[tuple[str, str]]:
    """Status and detail of the outcome of each check, newest first; each has one."""
    found = []
    for record in _records(server, key):
        [outcome] = record["outcomes"]
        found.append((outcome["status"], outcome["detail"]))
    return found


# -- lists


def _client(url: str, fields: dict[str, Any]) -> None:
    with Client(url, api_key=KEY) as client:
        client.check(LIST, **fields)


def _async_client(url: str, fields: dict[str, Any]) -> None:
    async def run() -> None:
        async with AsyncClient(url, api_key=KEY) as client:
            await client.check(LIST, **fields)

    asyncio.run(run())


def _guard_check(url: str, fields: dict[str, Any]) -> None:
    with Client(url, api_key=KEY) as client:
        Guard(client).check(LIST, **fields)


def _guard_action(url: str, fields: dict[str, Any]) -> None:
    with Client(url, api_key=KEY) as client, Guard(client).action(LIST, **fields):
        raise AssertionError("it ran")


def _guard_tool(url: str, fields: dict[str, Any]) -> None:
    with Client(url, api_key=KEY) as client:
        Guard(client).tool(LIST, **fields)  # before anything is decorated


def _async_guard_check(url: str, fields: dict[str, Any]) -> None:
    async def run() -> None:
        async with AsyncClient(url, api_key=KEY) as client:
            await AsyncGuard(client).check(LIST, **fields)

    asyncio.run(run())


def _async_guard_tool(url: str, fields: dict[str, Any]) -> None:
    AsyncGuard(AsyncClient(url, api_key=KEY)).tool(LIST, **fields)


WAYS: Final = [
    _client,
    _async_client,
    _guard_check,
    _guard_action,
    _guard_tool,
    _async_guard_check,
    _async_guard_tool,
]
NO_LISTS: Final[dict[str, Any]] = {
    "a string": "delete_all_customers",
    "an empty string": "",
    "bytes": b"delete",
    "a bytearray": bytearray(b"delete"),
    "a dict": {"delete": True},
    "a set": {"delete"},
    "an iterator": iter(["delete"]),
    "a number": 5,
    "nothing": None,
    "a list with bytes in it": ["search", b"delete"],
    "a list with a number in it": [5],
    "a list in a list": [["delete"]],
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
@pytest.mark.parametrize("name", LISTS)
def test_what_is_given_for_a_list_and_is_none_is_an_error_that_names_it(name: str, way: Callable[..., None]) -> None:
    with peer() as other:
        for value in nonempty(NO_LISTS.values()):
            with pytest.raises(Stage0Error, match=f"`{name}` must") as refused:
                way(other.url, {name: value})
            assert refused.value.code == "argument_invalid"
            assert "give" in str(refused.value)
    assert other.connections == 0


@pytest.mark.parametrize("way", [_client, _async_client, _guard_check, _async_guard_check])
@pytest.mark.parametrize("value", ["ab", ["ab"], [("environment", "production")], 5, b"ab"], ids=repr)
def test_a_context_that_is_no_dict_is_an_error(value: Any, way: Callable[..., None]) -> None:
    """`dict(["ab"])` is `{"a": "b"}`."""
    with peer() as other, pytest.raises(Stage0Error, match="`context` must be a dict"):
        way(other.url, {"context": value})
    assert other.connections == 0


def test_lists_and_tuples_are_lists(server: Server, key: Issued) -> None:
    with Client(server.url, api_key=key.text) as client:
        for sequence in (list, tuple):
            client.check(LIST, tools=sequence(["search_tickets"]), constraints=sequence(["read-only"]))
    assert [record["request"]["tools"] for record in _records(server, key)] == [["search_tickets"]] * 2


def test_a_list_that_is_changed_after_decorating_changes_nothing(server: Server, key: Issued) -> None:
    tools, ran = ["search_tickets"], []
    with Client(server.url, api_key=key.text) as client:
        guarded = Guard(client).tool(LIST, tools=tools)(lambda: ran.append("ran"))
        tools[0] = "list_tickets"
        guarded()
    [record] = _records(server, key)
    assert record["request"]["tools"] == ["search_tickets"]


# -- arguments that change while the server answers


def _sync_call(url: str, key: str, tool: Callable[..., Any], *args: Any) -> None:
    with Client(url, api_key=key) as client:
        Guard(client).tool(LIST, tools=["search_tickets"])(tool)(*args)


def _async_call(url: str, key: str, tool: Callable[..., Any], *args: Any) -> None:
    async def search(*given: Any) -> None:
        tool(*given)

    async def run() -> None:
        async with AsyncClient(url, api_key=key) as client:
            await AsyncGuard(client).tool(LIST, tools=["search_tickets"])(search)(*args)

    asyncio.run(run())


each_call = pytest.mark.parametrize("call", [_sync_call, _async_call], ids=["sync", "async"])


@each_call
@pytest.mark.parametrize(
    "change",
    [
        lambda query: query.update(ids=["all"]),
        lambda query: query["ids"].append("T-2"),
        lambda query: query.clear(),
        lambda query: query.update(more=object()),
        lambda query: query.update(ids=[float("nan")]),
        lambda query: query.update(ids=("T-1", "T-1")),
    ],
    ids=["another value", "one more", "none left", "no JSON any more", "NaN", "another list"],
)
def test_a_tool_whose_arguments_are_changed_meanwhile_does_not_run(
    change: Callable[[dict[str, Any]], None], call: Callable[..., None], server: Server, key: Issued
) -> None:
    query: dict[str, Any] = {"ids": ["T-1"]}
    ran: list[Any] = []
    with network(server) as between:
        between.meanwhile = lambda: change(query) if len(between.requests) == 1 else None
        with pytest.raises(Stage0Error, match="changed meanwhile") as refused:
            call(between.url, key.text, ran.append, query)
    assert ran == []
    [record] = _records(server, key)
    assert (refused.value.code, refused.value.request_id) == ("arguments_changed", record["request_id"])
    assert record["verdict"] == "ALLOW"
    assert _outcomes(server, key) == [("stopped", "arguments_changed")]


@each_call
def test_under_an_observe_only_key_changed_arguments_do_not_run_either(
    call: Callable[..., None], server: Server
) -> None:
    watching = new_key(server, plan="pro", enforcement="observe")
    query, ran = {"sql": "DROP TABLE users"}, list[Any]()
    with network(server) as between:
        between.meanwhile = lambda: query.update(sql="DROP TABLE orders")
        with pytest.raises(Stage0Error, match="changed meanwhile"):
            call(between.url, watching.text, ran.append, query)
    assert ran == []


def test_a_block_whose_context_is_changed_meanwhile_does_not_run(server: Server, key: Issued) -> None:
    arguments = {"ids": ["T-1"]}

    async def later(url: str) -> None:
        async with (
            AsyncClient(url, api_key=key.text) as client,
            AsyncGuard(client).action(LIST, context={"tool_arguments": arguments}),
        ):
            raise AssertionError("it ran")

    with network(server) as between, Client(between.url, api_key=key.text) as client:
        between.meanwhile = lambda: arguments["ids"].append("T-2")
        with (
            pytest.raises(Stage0Error, match="changed meanwhile"),
            Guard(client).action(LIST, context={"tool_arguments": arguments}),
        ):
            raise AssertionError("it ran")
        with pytest.raises(Stage0Error, match="changed meanwhile"):
            asyncio.run(later(between.url))


@each_call
def test_the_same_object_with_the_same_content_runs(call: Callable[..., None], server: Server, key: Issued) -> None:
    query: dict[str, Any] = {"ids": ["T-1"]}
    ran: list[Any] = []
    with network(server) as between:
        between.meanwhile = lambda: query.update(ids=["T-1"])
        call(between.url, key.text, ran.append, query)
    assert ran == [query]
    assert _outcomes(server, key) == [("executed", "")]


def test_what_a_partial_holds_is_proposed_too() -> None:
    def delete(table: str, limit: int = 10, *rest: int, **more: int) -> None: ...

    assert arguments_of(functools.partial(delete, "users"), (5,), {}) == {"table": "users", "limit": 5, "rest": ()}
    held = functools.partial(functools.partial(delete, "users", x=1), 7, 8)
    assert arguments_of(held, (9,), {"x": 2}) == {"table": "users", "limit": 7, "rest": (8, 9), "x": 2}


# -- what has not run


class Later:
    """An object that is called, and runs when it is awaited."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def __call__(self, query: str) -> str:
        await asyncio.sleep(0)
        self.ran.append(query)
        return "done"

    async def search(self, query: str) -> str:
        """The same as a method."""
        return await self(query)


class Pieces:
    """An object that is called, and runs when it is iterated."""

    def __call__(self, query: str) -> Iterator[str]:
        yield query


async def _later_pieces(query: str) -> AsyncIterator[str]:
    yield query


LATER: Final[dict[str, Callable[[Later], Callable[..., Any]]]] = {
    "an object": lambda later: later,
    "a partial": lambda later: functools.partial(later.search, query="late"),
    "a partial of an object": lambda later: functools.partial(later, query="late"),
    "a partial of a partial": lambda later: functools.partial(functools.partial(later.search), "late"),
    "a method": lambda later: later.search,
}


@pytest.mark.parametrize("make", LATER.values(), ids=LATER.keys())
def test_what_is_known_to_be_async_is_refused_by_the_guard_and_awaited_by_the_async_guard(
    make: Callable[[Later], Callable[..., Any]], server: Server, key: Issued
) -> None:
    later = Later()
    tool = make(later)
    args = () if isinstance(tool, functools.partial) else ("late",)

    async def run() -> Any:
        async with AsyncClient(server.url, api_key=key.text) as client:
            return await AsyncGuard(client).tool(LIST, tools=["search_tickets"])(tool)(*args)

    with Client(server.url, api_key=key.text) as client, pytest.raises(TypeError, match="use AsyncGuard"):
        Guard(client).tool(LIST)(tool)
    assert asyncio.run(run()) == "done"
    assert later.ran == ["late"]
    [record] = _records(server, key)
    assert record["request"]["context"]["tool_arguments"] == {"query": "late"}
    assert _outcomes(server, key) == [("executed", "")]


def test_an_object_or_partial_is_proposed_under_the_name_of_what_it_calls(server: Server, key: Issued) -> None:
    class SearchTickets:
        def __call__(self) -> str:
            return "object"

    def list_tickets() -> str:
        return "function"

    with Client(server.url, api_key=key.text) as client:
        tools: list[Callable[[], str]] = [SearchTickets(), functools.partial(list_tickets)]
        assert [Guard(client).tool(LIST)(tool)() for tool in tools] == ["object", "function"]
    assert [record["request"]["tools"] for record in _records(server, key)] == [["list_tickets"], ["SearchTickets"]]


@pytest.mark.parametrize("tool", [Pieces(), functools.partial(Pieces()), functools.partial(_later_pieces, "late")])
def test_objects_and_partials_that_are_generators_are_refused(tool: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="a generator"):
        Guard(Client("http://127.0.0.1:1", api_key=KEY)).tool(LIST)(tool)
    with pytest.raises(TypeError, match="a generator"):
        AsyncGuard(AsyncClient("http://127.0.0.1:1", api_key=KEY)).tool(LIST)(tool)


class Awaitable:
    """Something that can be awaited, and is nothing else."""

    def __await__(self) -> Iterator[Any]:
        raise AssertionError("it ran")
        yield


ran_later: Final[list[str]] = []


async def _run_later() -> None:
    ran_later.append("ran")


def _generate_later() -> Iterator[None]:
    ran_later.append("ran")
    yield


PENDING: Final[dict[str, Callable[[], Any]]] = {
    "a coroutine": _run_later,
    "a generator": _generate_later,
    "an asynchronous generator": lambda: _later_pieces("late"),
    "an awaitable object": Awaitable,
    "a future of threads": Future,
}


@pytest.mark.parametrize("make", PENDING.values(), ids=PENDING.keys())
def test_a_tool_that_gives_back_what_has_not_run_is_never_reported_as_executed(
    make: Callable[[], Any], server: Server, key: Issued
) -> None:
    def search_tickets() -> Any:
        return make()

    async def search_later() -> Any:
        return make()

    async def run() -> None:
        async with AsyncClient(server.url, api_key=key.text) as client:
            await AsyncGuard(client).tool(LIST, tools=["search_tickets"])(search_later)()

    with Client(server.url, api_key=key.text) as client, pytest.raises(TypeError, match="has not run yet"):
        Guard(client).tool(LIST)(search_tickets)()
    with pytest.raises(TypeError, match="has not run yet"):
        asyncio.run(run())
    assert _outcomes(server, key) == [("failed", "TypeError")] * 2
    assert ran_later == []


def test_a_task_that_a_tool_gives_back_is_cancelled(server: Server, key: Issued) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def search_tickets() -> Any:
        tasks.append(asyncio.create_task(_run_later()))
        return tasks[0]

    async def run() -> None:
        async with AsyncClient(server.url, api_key=key.text) as client:
            with pytest.raises(TypeError, match="has not run yet"):
                await AsyncGuard(client).tool(LIST)(search_tickets)()
            await asyncio.wait(tasks)

    asyncio.run(run())
    assert tasks[0].cancelled()
    assert _outcomes(server, key) == [("failed", "TypeError")]
    assert ran_later == []


def test_threads_that_share_a_guard_run_their_own_arguments(server: Server) -> None:
    key = new_key(server, plan="enterprise")
    ran: list[int] = []

    def search_tickets(number: int) -> None:
        ran.append(number)

    with Client(server.url, api_key=key.text) as client:
        guarded = Guard(client).tool(LIST)(search_tickets)
        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ran) == list(range(20))
    checked = [record["request"]["context"]["tool_arguments"]["number"] for record in _records(server, key)]
    assert sorted(checked) == list(range(20))
