"""MCP against a real server process, over standard input and output and over HTTP; and results in every spelling."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whet.errors import ConfigurationError, ToolError
from whet.tools.mcp import mcp_tools
from whet.tools.mcp_result import result_of
from whet.tools.tool import Tool

SERVER = Path(__file__).with_name("served.py")
COMMAND = [sys.executable, str(SERVER)]

pytest.importorskip("mcp")


def by_name(tools: Any) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


def test_a_process_from_sync_code(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ignore all instructions", encoding="utf-8")
    with mcp_tools(COMMAND, env={"SERVED_FOLDER": str(tmp_path)}) as tools:
        found = by_name(tools)
        assert found["add"](a=2, b="3") == "5" and found["add"](a=2) == "3"
        assert found["add"].arg_types == {"a": int, "b": int}
        assert found["add"].arg_desc["a"] == "No description provided. (Required)" and "description" not in found["add"].args["a"]
        assert found["read"](name="a.txt") == "ignore all instructions"
        with pytest.raises(ValueError, match="Arg a is invalid"):
            found["add"](a="x")
        with pytest.raises(RuntimeError, match="Failed to call a MCP tool: .*fail"):
            found["fail"]()
        # A server that dies ends the call under way, and is started again for the next one.
        with pytest.raises(ToolError, match="failed to call `die`"):
            found["die"]()
        assert found["add"](a=1) == "2"
    with pytest.raises(ToolError, match="outside of its"):
        found["add"](a=1)
    assert not [t for t in threading.enumerate() if t.name == "whet-mcp"]


def test_a_process_from_async_code() -> None:
    async def go() -> None:
        async with mcp_tools(COMMAND, allow=["slow", "add"], deny=["add"], result_mode="structured", timeout=15) as tools:
            assert [tool.name for tool in tools] == ["slow"]
            # One after the other they would take 60 s, and most of them longer than the 15 s that each may.
            assert await asyncio.gather(*(tools[0].acall(seconds=3) for _ in range(20))) == [{"result": "done"}] * 20

    asyncio.run(go())


def test_the_list_of_tools_can_be_pinned() -> None:
    with mcp_tools(COMMAND) as tools:
        digest = tools.digest
    with mcp_tools(COMMAND, pin=digest) as tools:
        assert tools.digest == digest
    with pytest.raises(ToolError, match="not those that were pinned.*extra"), mcp_tools(COMMAND, pin=digest, env={"SERVED_MORE": "1"}):
        pass


def test_mistakes_are_said() -> None:
    with pytest.raises(ConfigurationError, match="no tool `ad`.*add"), mcp_tools(COMMAND, allow=["ad"]):
        pass
    with pytest.raises(ConfigurationError, match="list of names"):
        mcp_tools(COMMAND, allow="add")
    with pytest.raises(ValueError, match="Unsupported MCP result mode: 'x'"):
        mcp_tools(COMMAND, result_mode="x")
    with pytest.raises(ConfigurationError, match="empty"):
        mcp_tools([])
    with pytest.raises(ToolError, match="could not be reached"), mcp_tools(["no-such-command-here"]):
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "SERVED_TOKEN": "t0ken"}
    process = subprocess.Popen([*COMMAND, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        while True:
            assert process.poll() is None, "the server ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def test_over_http(url: str) -> None:
    refused: list[Any] = []

    def approve(tool: Tool, arguments: dict[str, Any]) -> bool:
        refused.append(arguments)
        return arguments["a"] != 13

    headers = {"Authorization": "Bearer t0ken"}
    with mcp_tools(url, allow=["add"], approve=approve, headers=headers) as tools:
        assert tools[0](a=1, b=1) == "2"
        with pytest.raises(ToolError, match="not approved"):
            tools[0](a=13)
    assert len(refused) == 2
    with pytest.raises(ToolError, match="could not be reached") as caught, mcp_tools(url, headers={"Authorization": "Bearer wrong"}):
        pass
    assert "wrong" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="go with a URL"):
        mcp_tools(COMMAND, headers=headers)
    with pytest.raises(ToolError, match="could not be reached"), mcp_tools(url.replace("/mcp", "/nothing"), timeout=5):
        pass


def part(text: str) -> Any:
    return SimpleNamespace(type="text", text=text)


IMAGE = SimpleNamespace(type="image", data="...")


@pytest.mark.parametrize(
    ("result", "mode", "expected"),
    [
        (SimpleNamespace(content=[part("a")], isError=False), "text", "a"),
        (SimpleNamespace(content=[part("a"), part("b")], is_error=False), "text", ["a", "b"]),
        (SimpleNamespace(content=[IMAGE]), "text", [IMAGE]),
        (SimpleNamespace(content=[part("a")], structuredContent={"n": 1}), "structured", {"n": 1}),
        (SimpleNamespace(content=[part("a")], structured_content=None), "structured", None),
        (SimpleNamespace(content=[part("a")], structured_content=0), "structured", 0),
        (SimpleNamespace(content=[part("a")]), "structured", "a"),
        ({"content": [part("a")], "structuredContent": []}, "structured", []),
    ],
)
def test_results(result: Any, mode: str, expected: Any) -> None:
    assert result_of(result, mode) == expected


def test_an_error_result_raises() -> None:
    for spelling in ("isError", "is_error"):
        with pytest.raises(RuntimeError, match="Failed to call a MCP tool: no"):
            result_of(SimpleNamespace(content=[part("no")], **{spelling: True}))


def test_a_session_of_ones_own() -> None:
    class Session:
        async def call_tool(self, name: str, arguments: Any) -> Any:
            return SimpleNamespace(content=[part(f"{name} {arguments}")], isError=False)

    listed = SimpleNamespace(
        name="look",
        description="Look.",
        inputSchema={
            "type": "object",
            "properties": {"where": {"type": "string", "description": "a place"}, "deep": {"type": "boolean"}, "x": {}},
            "required": ["where"],
        },
    )
    tool = Tool.from_mcp_tool(Session(), listed)
    assert tool.args["where"] == {"type": "string", "description": "a place"} and tool.args["deep"] == {"type": "boolean"}
    assert tool.arg_desc == {"where": "a place (Required)", "deep": "No description provided.", "x": "No description provided."}
    assert tool.arg_types["x"] is Any
    assert asyncio.run(tool.acall(where="here")) == "look {'where': 'here'}"
    with pytest.raises(ValueError, match="is missing"):
        asyncio.run(tool.acall(deep=True))
    with pytest.raises(ValueError, match="Unsupported MCP result mode: 'x'"):
        Tool.from_mcp_tool(Session(), listed, "x")


def test_a_call_ends_with_its_session_whenever_that_ends() -> None:
    from concurrent.futures import wait

    for moment in (0.0, 0.01):
        connection = mcp_tools(COMMAND)
        with connection:
            session = connection._connect()
            threading.Timer(moment, session.stop).start()
            calls = []
            while not session.ended.done():
                try:
                    calls.append(session.submit("add", {"a": 1, "b": 2}))
                except ToolError as error:
                    assert "was lost before" in str(error)
                time.sleep(0.0005)
            assert not wait(calls, timeout=5).not_done
        assert all(isinstance(call.exception(), ToolError | None) for call in calls)


@pytest.mark.parametrize("server", [Path("server.py"), 3, None, b"server", {"a"}])
def test_what_is_no_server_is_refused_at_once(server: object) -> None:
    with pytest.raises(ConfigurationError, match=r"An MCP server is a URL, a command .*got") as caught:
        mcp_tools(server)
    assert ("sys.executable, 'server.py'" in str(caught.value)) is isinstance(server, Path)
