"""The enforcement point in the agent's process: a tool runs after an ALLOW of the server, and not otherwise.

The one exception is an observe-only key: where the server's own answer says so, the tool runs whatever the verdict."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, ParamSpec, TypedDict, TypeVar, Unpack

from stage0.client.client import AsyncClient, Client
from stage0.client.errors import Stage0Error

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

    def _with_context(self, fields: Fields, **more: Any) -> Fields:
        return {**fields, "context": {**self._context, **fields.get("context", {}), **more}}

    def _of_call(
        self, function: Callable[..., Any], fields: Fields, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Fields:
        """What is proposed for a call: the tool's name, unless others are given, and the call's real arguments."""
        named: Fields = fields if fields.get("tools") else {**fields, "tools": [function.__name__]}
        return self._with_context(named, tool_arguments=arguments_of(function, args, kwargs))

    def _admit(self, answer: Answer) -> Answer:
        """The answer of an action that may run. Raises Blocked for any other."""
        if answer["verdict"] == "ALLOW":
            return answer
        meta = answer.get("meta")
        if not isinstance(meta, dict) or meta.get("enforcement") != "observe":
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
        try:
            answer = self._client.check(goal, **self._with_context(fields))
        except Stage0Error:
            raise
        except Exception as error:
            raise Stage0Error(f"the action cannot be proposed: {error}") from error
        return self._admit(answer)

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

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            _refuse_kind(function, wanted=not inspect.iscoroutinefunction(function), instead="AsyncGuard")

            @functools.wraps(function)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                with self.action(goal, **self._of_call(function, fields, args, kwargs)):
                    return function(*args, **kwargs)

            return guarded

        return decorate

    def _report(self, action: Action, error: BaseException | None = None) -> None:
        status, detail = action.outcome(error)
        request_id = action.answer["request_id"]
        try:
            self._client.report(request_id, status, detail=detail, cost_usd=action.cost_usd)
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
        try:
            answer = await self._client.check(goal, **self._with_context(fields))
        except Stage0Error:
            raise
        except Exception as error:
            raise Stage0Error(f"the action cannot be proposed: {error}") from error
        return self._admit(answer)

    @asynccontextmanager
    async def action(self, goal: str, **fields: Unpack[Fields]) -> AsyncIterator[Action]:
        """Propose an action; the block runs where it may, and how it ended is reported."""
        from asyncio import CancelledError

        action = Action(await self.check(goal, **fields))
        try:
            yield action
        except (Exception, CancelledError) as error:
            await self._report(action, error)
            raise
        await self._report(action)

    def tool(
        self, goal: str, **fields: Unpack[Fields]
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]:
        """Decorate a coroutine function: each call is proposed with its arguments, as a tool of the function's name
        unless `tools` says otherwise."""

        def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
            _refuse_kind(function, wanted=inspect.iscoroutinefunction(function), instead="Guard")

            @functools.wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                async with self.action(goal, **self._of_call(function, fields, args, kwargs)):
                    return await function(*args, **kwargs)

            return guarded

        return decorate

    async def _report(self, action: Action, error: BaseException | None = None) -> None:
        status, detail = action.outcome(error)
        request_id = action.answer["request_id"]
        try:
            await self._client.report(request_id, status, detail=detail, cost_usd=action.cost_usd)
        except Exception as failure:
            _log_unreported(request_id, status, failure)


def arguments_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, with defaults, without a method's `self` or `cls`. Raises TypeError as the call
    would.

    What `**kwargs` takes stands beside the others, unless a name would then stand twice."""
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


def _refuse_kind(function: Callable[..., Any], *, wanted: bool, instead: str) -> None:
    """Raises TypeError for a function whose call does not run it to its end."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"`{function.__name__}` is a generator: guard what it does with `action` instead")
    if not wanted:
        raise TypeError(f"`{function.__name__}` is not for this guard: use {instead}")


def _log_unreported(request_id: str, status: str, error: Exception) -> None:
    log.warning("the outcome of %s (%s) was not reported: %s", request_id, status, error)
