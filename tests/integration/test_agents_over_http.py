"""Agents on real sockets: native calls in each provider's format, failing tools, and nothing left open."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
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
        deadline = time.monotonic() + 20
        while (threading.active_count() > threads or sockets() > open_before) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert threading.active_count() <= threads and sockets() <= open_before


def children() -> set[int]:
    """The processes of this one that are alive."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()) and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def compute(code: str) -> Any:
    """Run Python in a sandbox."""
    with whet.PythonInterpreter(timeout=10) as interpreter:
        return interpreter.execute(code)


def test_sessions_with_sandboxes_and_a_server_that_dies_leave_no_process() -> None:
    def answer(received: Any) -> whet.Response:
        if RESULTS["openai"] in json.dumps(received.body):
            return called(("finish", {"answer": 42}))
        return called(("compute", {"code": "6 * 7"}), ("compute", {"code": "1 / 0"}), ("add", {"a": 40, "b": 2}), ("die", {}))

    async def sessions(lm: Any) -> list[Any]:
        server = [sys.executable, str(Path(__file__).parents[1] / "tools" / "served.py")]
        async with whet.mcp_tools(server, allow=["add", "die"]) as tools:
            agent = whet.ReAct("question -> answer: int", tools=[compute, *tools])
            with whet.context(lm=lm):
                results = await asyncio.gather(*(agent.acall(question=str(i)) for i in range(8)))
        assert len(asyncio.all_tasks()) == 1
        return results

    before = children(), threading.active_count()
    with StubServer("openai", answer) as stub:
        lm = stub.lm(capabilities=whet.Capabilities(tools=True))
        results = asyncio.run(sessions(lm))
        del lm
    assert [r.answer for r in results] == [42] * 8
    for r in results:
        assert r.trajectory["observation_0"] == 42 and "ZeroDivisionError" in r.trajectory["observation_1"]
        assert "Execution error in die" in r.trajectory["observation_3"]
    deadline = time.monotonic() + 20
    while (children() > before[0] or threading.active_count() > before[1]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children() <= before[0] and threading.active_count() <= before[1]
