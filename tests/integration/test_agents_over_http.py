"""Agents on real sockets: native calls in each provider's format, failing tools, and nothing left open."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.core.messages import ToolCallPart
from whet.testing import StubServer

RESULTS = {
    "openai": '"role": "tool"',
    "responses": "function_call_output",
    "anthropic": '"tool_result"',
    "gemini": "functionResponse",
    "ollama": '"role": "tool"',
}


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


def flaky(x: int) -> int:
    """Fails."""
    raise ConnectionError(f"line {x} is down")


async def later(x: int) -> int:
    """Answer a little later."""
    await asyncio.sleep(0.001)
    return x


def called(*calls: tuple[str, Any]) -> whet.Response:
    parts = tuple(ToolCallPart(id=f"call_{i}", name=name, arguments=json.dumps(args)) for i, (name, args) in enumerate(calls))
    return whet.Response(
        choices=(whet.ResponseChoice(text=None, tool_calls=parts, finish_reason="tool_calls"),),
        usage=whet.Usage(input_tokens=3, output_tokens=2),
    )


def script(format: str) -> Any:
    def answer(received: Any) -> whet.Response:
        if RESULTS[format] not in json.dumps(received.body):
            return called(("add", {"x": 1, "y": 2}), ("flaky", {"x": 1}), ("later", {"x": 5}))
        return called(("finish", {"answer": 3}))

    return answer


def sockets() -> int:
    gc.collect()
    fds = Path("/proc/self/fd")
    if not fds.exists():
        pytest.skip("open files cannot be counted here")
    found = 0
    for fd in os.listdir(fds):
        try:
            found += os.readlink(fds / fd).startswith("socket:")
        except OSError:
            continue
    return found


@pytest.mark.parametrize("format", sorted(RESULTS))
def test_native_calls_in_each_format(format: str) -> None:
    agent = whet.ReAct("question -> answer: int", tools=[add, flaky, later])
    with StubServer(format, script(format)) as stub, whet.context(lm=stub.lm(capabilities=whet.Capabilities(tools=True))):
        result = agent(question="1 + 2?")
        again = asyncio.run(agent.acall(question="1 + 2?"))
    assert result.answer == again.answer == 3 and stub.count == 4
    assert result.trajectory["observation_0"] == 3 and "line 1 is down" in result.trajectory["observation_1"]
    assert result.trajectory["observation_2"] == 5


def test_twenty_sessions_leave_no_thread_task_or_socket() -> None:
    agent = whet.ReAct("question -> answer: int", tools=[add, flaky, later])

    async def sessions(lm: Any) -> list[Any]:
        with whet.context(lm=lm):
            results = await asyncio.gather(*(agent.acall(question=str(i)) for i in range(20)))
        assert len(asyncio.all_tasks()) == 1
        return results

    with StubServer("openai", script("openai")) as stub:
        threads, open_before = threading.active_count(), sockets()
        lm = stub.lm(capabilities=whet.Capabilities(tools=True))
        results = asyncio.run(sessions(lm))
        assert [r.answer for r in results] == [3] * 20 and stub.count == 40
        del lm
        deadline = time.monotonic() + 5
        while (threading.active_count() > threads or sockets() > open_before) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert threading.active_count() <= threads and sockets() <= open_before
