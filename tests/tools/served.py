"""A small MCP server, run as a process by the tests:  python served.py [PORT]  (over standard input and output without a port)."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

server = MCPServer("whet-tests")
_FOLDER = Path(os.environ.get("SERVED_FOLDER", "."))


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def read(name: str) -> str:
    """Read a file of the folder."""
    return (_FOLDER / Path(name).name).read_text(encoding="utf-8")


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ValueError("no such luck")


@server.tool()
def die() -> str:
    """End the server's process."""
    os._exit(3)


@server.tool()
async def slow(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "done"


@server.tool()
def secret(name: str) -> str:
    """What the process knows of its environment."""
    return os.environ.get(name, "nothing")


if os.environ.get("SERVED_MORE"):

    @server.tool()
    def extra() -> str:
        """One more tool than before."""
        return "more"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import uvicorn

        inner, token = server.streamable_http_app(), os.environ.get("SERVED_TOKEN")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            """The server behind a token, if there is one."""
            if scope["type"] == "http" and token and dict(scope["headers"]).get(b"authorization") != f"Bearer {token}".encode():
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"no"})
                return
            await inner(scope, receive, send)

        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
    else:
        server.run("stdio")
