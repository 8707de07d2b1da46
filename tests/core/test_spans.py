"""Callbacks and spans: who called whom, in every thread and task, once each."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import whet
from whet.core.events import ACTIVE_CALL_ID
from whet.core.spans import Event, Span, watch
from whet.testing.scripted import ScriptedLM

WORLDS = pytest.mark.parametrize("world", ["sync", "async"])


def add(x: int, y: int) -> int:
    """Add."""
    return x + y


def run(program: Any, lm: Any, world: str, **inputs: Any) -> Any:
    with whet.context(lm=lm):
        return program(**inputs) if world == "sync" else asyncio.run(program.acall(**inputs))


def shape(span: Span) -> Any:
    return (span.kind, [shape(child) for child in span.children])


@WORLDS
def test_one_call_is_a_tree(world: str) -> None:
    with watch() as seen:
        run(whet.ChainOfThought("q -> a"), ScriptedLM([{"reasoning": "r", "a": "x"}]), world, q="q")
    leaf = [("adapter_format", []), ("lm", []), ("adapter_parse", [])]
    assert [shape(span) for span in seen.spans] == [("module", [("module", leaf)])]
    assert [(e.phase, e.kind) for e in seen.events][:4] == [
        ("start", "module"),
        ("start", "module"),
        ("start", "adapter_format"),
        ("end", "adapter_format"),
    ]
    assert all(e.call_id == s.call_id for e, s in zip([e for e in seen.events if e.phase == "start"], seen.walk(), strict=True))
    outer = seen.spans[0]
    assert outer.usage.total_tokens > 0 and outer.seconds is not None and outer.inputs == {"q": "q"}
    assert str(seen).split("\n")[2].startswith("    adapter_format ChatAdapter")


@WORLDS
def test_agents_show_their_tools_under_themselves(world: str) -> None:
    inner = whet.Predict("x -> y")
    script = [
        {"next_thought": "t", "next_tool_name": "add", "next_tool_args": {"x": 1, "y": 2}},
        {"next_thought": "t", "next_tool_name": "ask", "next_tool_args": {"x": "a"}},
        {"y": "b"},
        {"next_thought": "t", "next_tool_name": "finish", "next_tool_args": {"answer": 3}},
    ]
    program = whet.ReAct("question -> answer: int", [add, whet.Tool(lambda x: inner(x=x).y, name="ask")])
    with watch() as seen:
        run(program, ScriptedLM(script), world, question="q")
    assert len(seen.spans) == 1
    kinds = [(span.kind, span.name) for span in seen.spans[0].children]
    assert kinds == [("module", "StepPredict"), ("tool", "add"), ("module", "StepPredict"), ("tool", "ask"), ("module", "StepPredict")]
    asked = seen.spans[0].children[3]
    assert [child.name for child in asked.children] == ["Predict"] and asked.outputs == "b"


def test_threads_and_tasks_know_their_parent() -> None:
    class Many(whet.Module):
        def __init__(self) -> None:
            self.ask = whet.Predict("q -> a")

        def forward(self, rows: list[whet.Example]) -> Any:
            return self.ask.batch(rows, num_threads=4)

        async def aforward(self, rows: list[whet.Example]) -> Any:
            return await self.ask.abatch(rows)

    rows = [whet.Example(q=str(i), a="x").with_inputs("q") for i in range(8)]
    with watch() as seen, whet.context(lm=ScriptedLM(lambda request: {"a": "x"})):
        Many()(rows)
        asyncio.run(Many().acall(rows))
        whet.Evaluate(devset=rows, metric=lambda e, p: True, num_threads=4)(whet.Predict("q -> a"))
    # What runs others side by side is none of them: each is a child of who made the calls.
    assert Counter((s.kind, s.name, len(s.children)) for s in seen.spans) == {("module", "Many", 8): 2, ("evaluate", "Evaluate", 8): 1}
    assert {child.name for span in seen.spans for child in span.children} == {"Predict"}
    assert ACTIVE_CALL_ID.get() is None


@WORLDS
def test_failures_end_their_spans(world: str) -> None:
    events: list[Event] = []
    with watch(events.append, keep=False) as seen, pytest.raises(whet.LMServerError):
        run(whet.Predict("q -> a"), ScriptedLM([whet.LMServerError("down")]), world, q="q")
    assert seen.spans == [] and seen.events == []
    assert [(e.kind, type(e.error).__name__) for e in events if e.phase == "end"] == [
        ("adapter_format", "NoneType"), ("lm", "LMServerError"), ("module", "LMServerError"),
    ]  # fmt: skip


def test_a_handler_that_raises_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fails(event: Event) -> None:
        raise RuntimeError("no")

    with watch(fails):
        assert run(whet.Predict("q -> a"), ScriptedLM([{"a": "x"}]), "sync", q="q").a == "x"
    assert "Error in the callback Watch" in caplog.text


def test_cancellation_is_an_end() -> None:
    class Slow(whet.BaseLM):
        async def complete(self, request: Any) -> str:
            await asyncio.sleep(10)
            return ""

    async def go() -> Any:
        with watch() as seen, whet.context(lm=Slow("slow", cache=False)):
            task = asyncio.ensure_future(whet.Predict("q -> a").acall(q="q"))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return seen

    seen = asyncio.run(go())
    assert isinstance(seen.spans[0].error, asyncio.CancelledError) and seen.spans[0].children[-1].kind == "lm"


def test_a_span_is_called_by_the_first_name_that_is_one() -> None:
    class Named(whet.Module):
        name: Any = ""
        model: Any = 7

        def forward(self) -> None:
            return None

    with watch() as seen:
        Named()()
    assert [span.name for span in seen.spans] == ["Named"]
