"""The enforcement point in the agent's process: a tool runs after an ALLOW of the server, and not otherwise.

The one exception is an observe-only key: where the server's own answer says so, the tool runs whatever the verdict."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, ParamSpec, TypedDict, TypeVar, Unpack, cast

from stage0.client.answer import is_observed, seconds_valid
from stage0.client.client import AsyncClient, Client
from stage0.client.errors import Stage0Error
from stage0.client.proposal import LISTS, encode_proposal, read_list

log: Final = logging.getLogger("stage0.guard")

P = ParamSpec("P")
R = TypeVar("R")
Answer = dict[str, Any]


class Fields(TypedDict, total=False):
    """What a check holds beside its goal."""

    tools: Sequence[str]
    side_effects: Sequence[str]
    constraints: Sequence[str]
    success_criteria: Sequence[str]
    context: Mapping[str, Any]
    pro: bool


class Blocked(Stage0Error):
    """The verdict is DENY or DEFER: the tool was not run. `answer` is the server's whole answer; `code` its verdict."""

    def __init__(self, answer: Answer) -> None:
        verdict = str(answer["verdict"])
        super().__init__(
            str(answer.get("reason") or verdict), status=200, code=verdict, request_id=str(answer["request_id"])
        )
        self.answer = answer

    def __reduce__(self) -> tuple[type[Blocked], tuple[Answer]]:
        return type(self), (self.answer,)


class _Proposal:
    """An action as it is proposed, and whether its answer still holds when it starts. Raises Stage0Error where it has
    no JSON form."""

    def __init__(self, goal: str, fields: Fields) -> None:
        self._goal, self._fields = goal, fields
        try:
            self.body = encode_proposal(goal, **fields)
        except Stage0Error:
            raise
        except Exception as error:
            raise Stage0Error(f"the action cannot be proposed: {error}") from error
        # It is decided after this, so counting from here never lets an ALLOW hold for too long.
        self._begun = time.monotonic()

    def require_current(self, answer: Answer) -> None:
        """Raises Stage0Error where what would run is no longer what was checked, or its ALLOW is over."""
        if not self._is_unchanged():
            raise _not_started("what was checked has been changed meanwhile", "arguments_changed", answer)
        if time.monotonic() >= self._begun + seconds_valid(answer):
            raise _not_started("the ALLOW is no longer valid", "expired", answer)

    def _is_unchanged(self) -> bool:
        try:
            return encode_proposal(self._goal, **self._fields) == self.body
        except Exception:  # it has no JSON form any more, or is being changed right now
            return False


def _not_started(why: str, code: str, answer: Answer) -> Stage0Error:
    return Stage0Error(f"the action was not started: {why}", code=code, request_id=str(answer["request_id"]))


class Action:
    """An action that may run. What is set here is reported with its outcome: `detail`, and `cost_usd` in US dollars."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.detail = ""
        self.cost_usd: float | None = None

    def outcome(self, error: BaseException | None) -> tuple[str, str]:
        """Status and detail to report. Of an exception the type alone: its arguments may hold secrets."""
        parts = [self.detail] if self.detail else []
        if error is not None:
            parts.append(type(error).__name__)
        if self.answer["verdict"] != "ALLOW":
            parts.append(f"observe-only: {self.answer['verdict']} would have stopped it")
        return "executed" if error is None else "failed", "; ".join(parts)


class _Guard:
    """What both guards share. `context` goes with every check; `on_would_stop` gets the answer of each action that runs
    only because the key is observe-only."""

    def __init__(
        self, context: Mapping[str, Any] | None = None, on_would_stop: Callable[[Answer], object] | None = None
    ) -> None:
        self._context = dict(context or {})
        self._on_would_stop = on_would_stop

    def _propose(self, goal: str, fields: Fields) -> _Proposal:
        return _Proposal(goal, self._with_context(fields))

    def _with_context(self, fields: Fields, **more: Any) -> Fields:
        own = fields.get("context")
        if own is not None and not isinstance(own, Mapping):
            return fields  # is refused by name when it is encoded
        return {**fields, "context": {**self._context, **(own or {}), **more}}

    def _of_call(
        self, function: Callable[..., Any], fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Fields:
        """What is proposed for a call: the tool's name, unless others are given, and the call's real arguments."""
        named: Fields = fields if fields.get("tools") else {**fields, "tools": [_name(function)]}
        return self._with_context(named, tool_arguments=arguments_of(function, args, kwargs))

    def _admit(self, answer: Answer) -> Answer:
        """The answer of an action that may run. Raises Blocked for any other."""
        if answer["verdict"] == "ALLOW":
            return answer
        if not is_observed(answer):
            raise Blocked(answer)
        if self._on_would_stop is not None:
            try:
                self._on_would_stop(answer)
            except Exception:
                # Whoever watches must not stop what is watched.
                log.exception("on_would_stop failed for %s", answer["request_id"])
        return answer


class Guard(_Guard):
    """Runs tools after an ALLOW alone, on a `Client`. Raises Blocked where the verdict is another one, and Stage0Error
    where there is none.

    An outcome that cannot be reported is logged by `stage0.guard`, and changes nothing for the tool's caller."""

    def __init__(
        self,
        client: Client,
        *,
        context: Mapping[str, Any] | None = None,
        on_would_stop: Callable[[Answer], object] | None = None,
    ) -> None:
        super().__init__(context, on_would_stop)
        self._client = client

    def check(self, goal: str, **fields: Unpack[Fields]) -> Answer:
        """Propose an action. Gives the answer where it may run; running and reporting it is the caller's."""
        proposal = self._propose(goal, fields)
        answer = self._admit(self._client.send(proposal.body))
        try:
            proposal.require_current(answer)
        except Stage0Error as error:
            self._send_outcome(answer, "stopped", error.code)
            raise
        return answer

    @contextmanager
    def action(self, goal: str, **fields: Unpack[Fields]) -> Iterator[Action]:
        """Propose an action; the block runs where it may, and how it ended is reported."""
        action = Action(self.check(goal, **fields))
        try:
            yield action
        except BaseException as error:
            self._report(action, error)
            raise
        self._report(action)

    def tool(self, goal: str, **fields: Unpack[Fields]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function: each call is proposed with its arguments, as a tool of the function's name unless
        `tools` says otherwise."""
        fixed = _fix_lists(fields)

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            _refuse_kind(function, wanted=not _is_async(function), instead="AsyncGuard")

            @functools.wraps(function)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                with self.action(goal, **self._of_call(function, fixed, args, kwargs)):
                    return _require_done(function, function(*args, **kwargs))

            return guarded

        return decorate

    def _report(self, action: Action, error: BaseException | None = None) -> None:
        status, detail = action.outcome(error)
        self._send_outcome(action.answer, status, detail, action.cost_usd)

    def _send_outcome(self, answer: Answer, status: str, detail: str, cost_usd: float | None = None) -> None:
        request_id = answer["request_id"]
        try:
            self._client.report(request_id, status, detail=detail, cost_usd=cost_usd)
        except Exception as failure:
            _log_unreported(request_id, status, failure)


class AsyncGuard(_Guard):
    """Like `Guard`, on an `AsyncClient`, for coroutine functions."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        context: Mapping[str, Any] | None = None,
        on_would_stop: Callable[[Answer], object] | None = None,
    ) -> None:
        super().__init__(context, on_would_stop)
        self._client = client

    async def check(self, goal: str, **fields: Unpack[Fields]) -> Answer:
        """Propose an action. Gives the answer where it may run; running and reporting it is the caller's."""
        proposal = self._propose(goal, fields)
        answer = self._admit(await self._client.send(proposal.body))
        try:
            proposal.require_current(answer)
        except Stage0Error as error:
            await self._send_outcome(answer, "stopped", error.code)
            raise
        return answer

    @asynccontextmanager
    async def action(self, goal: str, **fields: Unpack[Fields]) -> AsyncIterator[Action]:
        """Propose an action; the block runs where it may, and how it ended is reported."""
        action = Action(await self.check(goal, **fields))
        try:
            yield action
        except (Exception, asyncio.CancelledError) as error:
            await self._report(action, error)
            raise
        await self._report(action)

    def tool(
        self, goal: str, **fields: Unpack[Fields]
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]:
        """Decorate a coroutine function: each call is proposed with its arguments, as a tool of the function's name
        unless `tools` says otherwise."""
        fixed = _fix_lists(fields)

        def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
            _refuse_kind(function, wanted=_is_async(function), instead="Guard")

            @functools.wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                async with self.action(goal, **self._of_call(function, fixed, args, kwargs)):
                    return _require_done(function, await function(*args, **kwargs))

            return guarded

        return decorate

    async def _report(self, action: Action, error: BaseException | None = None) -> None:
        status, detail = action.outcome(error)
        await self._send_outcome(action.answer, status, detail, action.cost_usd)

    async def _send_outcome(self, answer: Answer, status: str, detail: str, cost_usd: float | None = None) -> None:
        request_id = answer["request_id"]
        try:
            await self._client.report(request_id, status, detail=detail, cost_usd=cost_usd)
        except Exception as failure:
            _log_unreported(request_id, status, failure)


def arguments_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, with defaults, without a method's `self` or `cls`. Raises TypeError as the call
    would.

    What `**kwargs` takes stands beside the others, unless a name would then stand twice. What a `partial` holds already
    is an argument like any other."""
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    signature = inspect.signature(function)
    parameters = signature.parameters
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    found = dict(bound.arguments)
    first = next(iter(parameters), "")
    if first in ("self", "cls"):
        del found[first]
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            further = found.pop(name)
            found = {**found, name: further} if further.keys() & found.keys() else {**found, **further}
    return found


def _fix_lists(fields: Fields) -> Fields:
    """The same fields with lists of their own. A list that is none is refused here, before anything is called."""
    fixed = dict(fields)
    for name in LISTS:
        if name in fixed:
            fixed[name] = read_list(name, fixed[name])
    return cast(Fields, fixed)


def _unwrap_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _name(function: Callable[..., Any]) -> str:
    """The name of a function; of an object that is called, its class's."""
    inner = _unwrap_partial(function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _is_any(function: Callable[..., Any], *tests: Callable[[Any], bool]) -> bool:
    """Whether a test holds for a function, or for what is called where it is an object."""
    inner = _unwrap_partial(function)
    called = [inner] if inspect.isroutine(inner) or inspect.isclass(inner) else [inner, type(inner).__call__]
    return any([test(each) for test in tests for each in called])


def _is_async(function: Callable[..., Any]) -> bool:
    return _is_any(function, inspect.iscoroutinefunction)


def _refuse_kind(function: Callable[..., Any], *, wanted: bool, instead: str) -> None:
    """Raises TypeError for a function whose call does not run it to its end."""
    if _is_any(function, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        raise TypeError(f"`{_name(function)}` is a generator: guard what it does with `action` instead")
    if not wanted:
        raise TypeError(f"`{_name(function)}` is not for this guard: use {instead}")


def _require_done(function: Callable[..., Any], result: R) -> R:
    """What a tool gave. Raises TypeError where that still has to be run: it would be reported as executed before."""
    if isinstance(result, Future) or inspect.isawaitable(result):
        pending = True
    else:
        pending = inspect.isgenerator(result) or inspect.isasyncgen(result)
    if not pending:
        return result
    # Nobody shall run it without an outcome.
    if inspect.iscoroutine(result) or inspect.isgenerator(result):
        result.close()
    elif isinstance(result, (Future, asyncio.Future)):
        result.cancel()
    raise TypeError(
        f"`{_name(function)}` gave back a `{type(result).__name__}`, which has not run yet: guard the `async def` "
        "that awaits it with AsyncGuard, or what it does with `action`"
    )


def _log_unreported(request_id: str, status: str, error: Exception) -> None:
    log.warning("the outcome of %s (%s) was not reported: %s", request_id, status, error)
