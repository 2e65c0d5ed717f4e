"""One call for many: whatever is asked for while the call before is under way is asked for together next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Grouped(Generic[Asked, Answer]):
    """A call that many tasks of one event loop need: nobody is answered by a call that began before he asked, and none
    waits for company."""

    def __init__(self, call: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]], most: int = 200) -> None:
        """`call` answers each of at most `most` in their order; where it raises, all of them get the exception."""
        self._call, self._most = call, most
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._caller: asyncio.Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        """Ask, and wait for the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._caller is None or self._caller.done():
            self._caller = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                answers = await self._call([asked for asked, _ in group])
                answered = list(zip(group, answers, strict=True))
            except Exception as error:  # whoever waits for it gets it
                for _, answer in group:
                    if not answer.cancelled():
                        answer.set_exception(error)
                continue
            for (_, answer), value in answered:
                if not answer.cancelled():
                    answer.set_result(value)
