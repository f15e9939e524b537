"""One check by either client, for tests that hold for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stage0 import AsyncClient, Client

#: Checks goals one after the other on one client: url, key, the goals, and the client's options. Gives the answers;
#: an exception stands for a check that raised it.
Ask = Callable[..., list[Any]]


def _sync(url: str, key: str, *goals: str, **options: Any) -> list[Any]:
    answers: list[Any] = []
    with Client(url, api_key=key, **options) as client:
        for goal in goals:
            try:
                answers.append(client.check(goal, tools=["search_tickets"]))
            except Exception as error:
                answers.append(error)
    return answers


def _async(url: str, key: str, *goals: str, **options: Any) -> list[Any]:
    async def run() -> list[Any]:
        answers: list[Any] = []
        async with AsyncClient(url, api_key=key, **options) as client:
            for goal in goals:
                try:
                    answers.append(await client.check(goal, tools=["search_tickets"]))
                except Exception as error:
                    answers.append(error)
        return answers

    return asyncio.run(run())


each_client = pytest.mark.parametrize("ask", [_sync, _async], ids=["sync", "async"])
