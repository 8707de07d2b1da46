"""`asyncify` and `syncify`: a program of one world in the other, in the caller's context."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from whet.utils.callback import ACTIVE_CALL_ID, BaseCallback

import whet
from whet.errors import InputError
from whet.modules.worlds import asyncify, syncify
from whet.testing.scripted import ScriptedLM


def test_asyncify_runs_so_many_at_a_time() -> None:
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(x: int) -> tuple[int, int]:
        with lock:
            running.append(x)
            most.append(len(running))
        time.sleep(0.02)
        with lock:
            running.remove(x)
        return x, whet.settings.num_threads

    async def go() -> Any:
        with whet.context(async_max_workers=3, num_threads=55):
            first = await asyncio.gather(*(asyncify(work)(i) for i in range(12)))
        return first, max(most)

    results, at_once = asyncio.run(go())
    assert results == [(i, 55) for i in range(12)] and 2 <= at_once <= 3
    most.clear()

    async def more() -> None:
        with whet.context(async_max_workers=6):
            await asyncio.gather(*(asyncify(work)(i) for i in range(12)))

    asyncio.run(more())
    assert 4 <= max(most) <= 6
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncify(lambda: 1 // 0)())

    async def given_up() -> None:
        with whet.context(async_max_workers=1):
            first = asyncio.ensure_future(asyncify(work)(1))
            second = asyncio.ensure_future(asyncify(work)(2))
            await asyncio.sleep(0.005)
            second.cancel()
            assert await first == (1, 8) and await asyncify(work)(3) == (3, 8)

    asyncio.run(given_up())


class OnlyAsync(whet.Module):
    def __init__(self) -> None:
        self.p = whet.Predict("q -> a")

    async def aforward(self, q: str) -> Any:
        return await self.p.acall(q=q)


def test_syncify() -> None:
    program = OnlyAsync()
    with whet.context(lm=ScriptedLM(lambda request: {"a": "x"})):
        assert syncify(program) is program and program(q="1").a == "x"
        wrapper = syncify(program, in_place=False)
        assert wrapper is not program and wrapper(q="1").a == "x" and asyncio.run(wrapper.acall(q="1")).a == "x"
        assert [name for name, _ in wrapper.named_predictors()] == ["program.p"]


class Starts(BaseCallback):
    """Who was started below whom."""

    def __init__(self) -> None:
        self.parents: list[tuple[str, str | None]] = []

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.parents.append((call_id, ACTIVE_CALL_ID.get()))


class InThreads(whet.Module):
    """Async around a sync program."""

    def __init__(self) -> None:
        self.inner = whet.Predict("q -> a")

    async def aforward(self, q: str) -> Any:
        with whet.context(num_threads=77):
            found = await asyncify(self.inner)(q=q)
        return whet.Prediction(found, seen=whet.settings.num_threads)


def test_a_program_in_a_thread_is_a_child_of_the_call_that_started_it_and_counts_for_it() -> None:
    starts = Starts()
    lm = ScriptedLM(lambda request: {"a": "x"})
    with whet.context(lm=lm, callbacks=[starts], track_usage=True, num_threads=5), whet.track_usage() as usage:
        result = asyncio.run(InThreads().acall(q="1"))
    (outer, top), (_, below) = starts.parents
    assert top is None and below == outer and result.seen == 5
    assert result.get_lm_usage() == usage.get_total_tokens() != {}


@pytest.mark.parametrize("in_place", [True, False])
def test_optimizers_compile_what_was_made_sync(in_place: bool) -> None:
    rows = [whet.Example(q=str(i), a="x").with_inputs("q") for i in range(4)]
    with whet.context(lm=ScriptedLM(lambda request: {"a": "x"})):
        student = syncify(OnlyAsync(), in_place=in_place)
        compiled = whet.BootstrapFewShot(metric=lambda e, p, trace=None: p.a == e.a).compile(student, trainset=rows)
        assert len(compiled.predictors()[0].demos) == 4 and not student.predictors()[0].demos
        assert compiled(q="9").a == "x"


def test_async_inside_sync_inside_async() -> None:
    async def inside() -> Any:
        return syncify(OnlyAsync())(q="1").a, await asyncify(syncify(OnlyAsync(), in_place=False))(q="2")

    with whet.context(lm=ScriptedLM(lambda request: {"a": "x"})):
        first, second = asyncio.run(inside())
    assert first == second.a == "x"


class OwnCall(whet.Module):
    async def acall(self, x: int) -> int:  # type: ignore[override]
        return x + 1


def test_a_program_with_an_acall_of_its_own_and_what_is_none() -> None:
    assert syncify(OwnCall(), in_place=False)(x=1) == 2
    with pytest.raises(InputError, match="in_place=False"):
        syncify(OwnCall())

    async def plain() -> None: ...

    with pytest.raises(InputError, match="takes a module"):
        syncify(plain)  # type: ignore[arg-type]
