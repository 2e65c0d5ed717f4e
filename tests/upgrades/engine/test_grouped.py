"""One call for many: who asks while one is under way gets the next, and nobody gets what is older than his question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from upgrades.engine.grouped import Grouped


class Source:
    """Answers each with the number of the call; tells what was asked together."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    async def answer(self, asked: Sequence[str]) -> Sequence[int]:
        self.calls.append(list(asked))
        number = len(self.calls)
        await asyncio.sleep(0.01)
        if "bad" in asked:
            raise ValueError(number)
        return [number] * (len(asked) - ("few" in asked))


def test_what_is_asked_during_a_call_is_asked_together_next() -> None:
    source = Source()

    async def work() -> None:
        grouped = Grouped(source.answer)
        first = asyncio.create_task(grouped("a"))
        await asyncio.sleep(0.005)
        rest = await asyncio.gather(grouped("b"), grouped("c"))
        assert (await first, *rest) == (1, 2, 2)
        assert await grouped("d") == 3

    asyncio.run(asyncio.wait_for(work(), 5))
    assert source.calls == [["a"], ["b", "c"], ["d"]]


def test_no_call_answers_more_than_it_may() -> None:
    source = Source()

    async def work() -> None:
        grouped = Grouped(source.answer, most=2)
        assert await asyncio.gather(*(grouped(name) for name in "abcde")) == [1, 1, 2, 2, 3]

    asyncio.run(asyncio.wait_for(work(), 5))


def test_a_failure_reaches_all_who_asked_together_and_no_other() -> None:
    source = Source()

    async def work() -> None:
        grouped = Grouped(source.answer)
        told = await asyncio.gather(grouped("a"), grouped("bad"), return_exceptions=True)
        assert [type(one) for one in told] == [ValueError, ValueError]
        with pytest.raises(ValueError):
            await grouped("few")
        assert await grouped("c") == 3

    asyncio.run(asyncio.wait_for(work(), 5))


def test_who_gives_up_holds_nobody_up() -> None:
    source = Source()

    async def work() -> None:
        grouped = Grouped(source.answer)
        gone, stays = asyncio.create_task(grouped("a")), asyncio.create_task(grouped("b"))
        await asyncio.sleep(0.005)
        gone.cancel()
        assert await stays == 1
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(asyncio.wait_for(work(), 5))
