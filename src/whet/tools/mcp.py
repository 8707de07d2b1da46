"""`mcp_tools`: the tools of an MCP server, in one line, from sync and async code."""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any

from whet.core.flow import Flow, Wait
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, MissingExtraError, ToolError
from whet.tools.mcp_result import check_mode, described, digest_of, result_of
from whet.tools.tool import Tool

__all__ = ["MCPTools", "mcp_tools"]


class MCPTools(list[Tool]):
    """The tools of a server while it is connected; a list. `digest` is the hash of the whole list as the server gave it."""

    def __init__(self, tools: Iterable[Tool] = (), digest: str = "") -> None:
        super().__init__(tools)
        self.digest = digest


def mcp_tools(  # noqa: PLR0913 - each is keyword-only and has a default
    server: Any,
    *,
    allow: Sequence[str] | None = None,
    deny: Sequence[str] = (),
    pin: str | None = None,
    timeout: float = 60.0,
    approve: Callable[[Tool, dict[str, Any]], Any] | None = None,
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    result_mode: str = "text",
) -> Connection:
    """The tools of an MCP server: `with mcp_tools(server) as tools` or `async with mcp_tools(server) as tools`.

    `server` is a URL (HTTP), a command as text or as a list of words (a process that is talked to over its standard input and output), or
    whatever `mcp.Client` takes. Only tools named in `allow` (if it is given) and not in `deny` are handed on; naming one that the server
    does not have is an error. `pin` is the `digest` of an earlier connection: a server whose list of tools is another one is refused,
    also when it changes after a reconnection. `timeout` is in seconds, for the connection and for each call; `approve` is asked before
    each call. `env` is the environment of the process in addition to a safe minimum, `headers` are sent to a URL. A server that was lost
    is connected to again at the next call; the call that was under way is not repeated. A tool gives the text of its result, with
    `result_mode="structured"` the structured content where the server sends some.

    Needs `pip install 'whet[mcp]'`; raises `MissingExtraError` without it, `ConfigurationError` for what is no server and for names that it
    does not have, and `ToolError` (a `RuntimeError`) when it cannot be reached, is another one than was pinned, or a call fails.

    >>> from mcp.server import MCPServer
    >>> server = MCPServer("sums")
    >>> @server.tool()
    ... def add(a: int, b: int = 1) -> int:
    ...     return a + b
    >>> with mcp_tools(server, allow=["add"]) as tools:
    ...     tools[0].name, tools[0](a=2, b=3)
    ('add', '5')
    """
    check_mode(result_mode)
    wanted = _Wanted(allow=allow, deny=deny, pin=pin, approve=approve, result_mode=result_mode)
    return Connection(_target(server, env, headers), wanted, timeout)


class _Wanted:
    """Which tools are handed on, and how."""

    def __init__(self, *, allow: Sequence[str] | None, deny: Sequence[str], pin: str | None, approve: Any, result_mode: str) -> None:
        for name, value in (("allow", allow), ("deny", deny)):
            if isinstance(value, str):
                raise ConfigurationError(f"`{name}` is a list of names of tools, not the text {value!r}.")
        self.allow, self.deny, self.pin, self.approve, self.result_mode = allow, tuple(deny), pin, approve, result_mode

    def check(self, tools: Sequence[Any]) -> str:
        digest = digest_of(tools)
        if self.pin is not None and digest != self.pin:
            raise ToolError(
                f"The tools of this MCP server are not those that were pinned: their hash is {digest!r}, not {self.pin!r}. "
                f"It offers: {', '.join(tool.name for tool in tools)}. Look at what has changed, then pin the new hash."
            )
        names = {tool.name for tool in tools}
        if missing := [name for name in (*(self.allow or ()), *self.deny) if name not in names]:
            raise ConfigurationError(f"This MCP server has no tool `{missing[0]}`. It offers: {', '.join(sorted(names)) or 'none'}.")
        return digest

    def chosen(self, tools: Sequence[Any]) -> list[Any]:
        return [tool for tool in tools if (self.allow is None or tool.name in self.allow) and tool.name not in self.deny]


class _Site:
    """A URL with headers of one's own; they are shown nowhere."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url, self.headers = url, dict(headers)

    @asynccontextmanager
    async def transport(self) -> AsyncIterator[Any]:
        from mcp.client.streamable_http import (  # type: ignore[attr-defined]  # noqa: PLC0415 - an extra
            create_mcp_http_client,
            streamable_http_client,
        )

        async with create_mcp_http_client(headers=self.headers) as client:
            yield streamable_http_client(self.url, http_client=client)


@asynccontextmanager
async def _opened(target: Any) -> AsyncIterator[Any]:
    if not isinstance(target, _Site):
        yield target
        return
    async with target.transport() as transport:
        yield transport


def _target(server: Any, env: Mapping[str, str] | None, headers: Mapping[str, str] | None) -> Any:
    """What `mcp.Client` takes."""
    try:
        from mcp import StdioServerParameters  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("`mcp_tools`", "mcp", "mcp") from None
    if isinstance(server, str) and server.startswith(("http://", "https://")):
        return _Site(server, headers) if headers else server
    if headers:
        raise ConfigurationError("`headers` go with a URL; this MCP server is no URL.")
    if isinstance(server, Mapping):
        return StdioServerParameters(**server)
    words = shlex.split(server) if isinstance(server, str) else list(server) if isinstance(server, list | tuple) else None
    if words is None:
        return _taken_by_client(server)
    if not words:
        raise ConfigurationError("The command of the MCP server is empty.")
    return StdioServerParameters(command=words[0], args=[str(word) for word in words[1:]], env=dict(env) if env else None)


def _taken_by_client(server: Any) -> Any:
    """Something of `mcp`'s own, or a transport; anything else would fail later, and deep inside of it."""
    if hasattr(server, "__aenter__") or any(cls.__module__.partition(".")[0] == "mcp" for cls in type(server).__mro__):
        return server
    hint = f" To run that file: `mcp_tools([sys.executable, {str(server)!r}])`." if hasattr(server, "__fspath__") else ""
    raise ConfigurationError(
        f"An MCP server is a URL, a command (a text or a list of words), or a server or transport of `mcp`; got {server!r}, "
        f"{a_kind(server)}.{hint}"
    )


class Connection:
    """A connection to an MCP server, as a context manager for sync and async code.

    The session lives on an event loop of its own, in one thread, so that its tools work from any thread and any loop.
    """

    def __init__(self, target: Any, wanted: _Wanted, timeout: float) -> None:
        self.target, self.wanted, self.timeout = target, wanted, timeout
        self.digest = ""
        self._session: _Session | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> MCPTools:
        return self._tools(self._connect().ready.result())

    async def __aenter__(self) -> MCPTools:
        return self._tools(await Wait(self._connect().ready).aperform())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if session := self._close():
            session.ended.result()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if session := self._close():
            await Wait(session.ended).aperform()

    def _connect(self) -> _Session:
        with self._lock:
            if self._session is None or self._session.lost:
                self._session = _Session(self.target, self.timeout)
            return self._session

    def _close(self) -> _Session | None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.stop()
        return session

    def _tools(self, listed: Sequence[Any]) -> MCPTools:
        try:
            digest = self.wanted.check(listed)
        except BaseException:
            self._close()
            raise
        self.digest, self.wanted.pin = digest, digest
        return MCPTools([self._tool(tool) for tool in self.wanted.chosen(listed)], digest)

    def _tool(self, listed: Any) -> Tool:
        made = _ServerTool(self, listed.name)
        made.approve = self.wanted.approve
        return described(made, listed)

    def call(self, name: str, arguments: dict[str, Any]) -> Flow[Any]:
        """Call a tool, on a new session where the old one was lost."""
        if self._session is None:
            raise ToolError(f"The tool `{name}` was called outside of its `with mcp_tools(...)` block: the server is not connected.")
        session = self._connect()
        self.wanted.check((yield Wait(session.ready)))
        result = yield Wait(session.submit(name, arguments))
        return result_of(result, self.wanted.result_mode)


class _ServerTool(Tool):
    """A tool of a connected server; its work is waiting, so it needs no thread of its own."""

    def __init__(self, connection: Connection, name: str) -> None:
        super().__init__(_not_called_directly, name=name)
        self.connection = connection

    def invoke(self, values: dict[str, Any]) -> Flow[Any]:
        """Ask the server."""
        return self.connection.call(self.name, values)


def _not_called_directly(**arguments: Any) -> Any:
    raise ToolError("A tool of an MCP server is called through its `Tool`.")


class _Session:
    """One session, from its opening to its end, in a thread with an event loop."""

    def __init__(self, target: Any, timeout: float) -> None:
        self.target, self.timeout = target, timeout
        self.ready: Future[list[Any]] = Future()
        self.ended: Future[None] = Future()
        self.lost = False
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._client: Any = None
        self._gate = threading.Lock()
        # Those under way, with the tasks that make them; none are taken any more once it is None.
        self._calls: dict[Future[Any], asyncio.Future[Any] | None] | None = {}
        threading.Thread(target=self._run, name="whet-mcp", daemon=True).start()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            self.lost = True
            if not self.ready.done():
                self.ready.set_exception(_failure("could not be reached", _cause(error)))
        finally:
            self.lost = True
            with self._gate:
                left, self._calls = self._calls or {}, None
            for call in left:
                call.set_exception(ToolError("The connection to the MCP server was closed while a tool was running."))
            self.ended.set_result(None)

    async def _live(self) -> None:
        from mcp import Client  # noqa: PLC0415 - an extra, there since `_target` has looked

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self._stopped:
            self._stop.set()
        try:
            async with asyncio.timeout(self.timeout) as patience:
                async with _opened(self.target) as target, Client(target, read_timeout_seconds=self.timeout) as client:
                    self._client = client
                    listed = await _listed(client)
                    patience.reschedule(None)
                    self.ready.set_result(listed)
                    await self._stop.wait()
        finally:
            self.lost = True

    def stop(self) -> None:
        """End the session."""
        self._stopped = True
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def submit(self, name: str, arguments: dict[str, Any]) -> Future[Any]:
        """Start a call. It ends with the session at the latest, whatever the moment at which that ends."""
        assert self._loop is not None
        call: Future[Any] = Future()
        with self._gate:
            if self._calls is None:
                raise ToolError(f"The connection to the MCP server was lost before `{name}` could be called.")
            self._calls[call] = None
        with suppress(RuntimeError):  # the loop was closed just now, and `_run` is about to end the call
            self._loop.call_soon_threadsafe(self._begin, call, name, arguments)
        return call

    def _begin(self, call: Future[Any], name: str, arguments: dict[str, Any]) -> None:
        with self._gate:
            if self.lost or self._calls is None:  # nobody would see a task to its end; `_run` ends the call
                return
            task = self._calls[call] = asyncio.ensure_future(self._call(name, arguments))
        task.add_done_callback(lambda task: self._end(call, task))

    def _end(self, call: Future[Any], task: asyncio.Future[Any]) -> None:
        with self._gate:
            if self._calls is None:
                return
            del self._calls[call]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            call.set_result(task.result())
        else:
            call.set_exception(error)

    async def _call(self, name: str, arguments: dict[str, Any]) -> Any:
        from mcp import MCPError  # noqa: PLC0415 - an extra, there since `_target` has looked

        try:
            return await asyncio.wait_for(self._client.call_tool(name, arguments), self.timeout)
        except TimeoutError:
            raise ToolError(f"The tool `{name}` was not done after {self.timeout:g} s.") from None
        except (MCPError, OSError, RuntimeError) as error:
            if not await self._answers():
                self.lost = True
                self.stop()
            raise _failure(f"failed to call `{name}`", error) from error
        except asyncio.CancelledError:
            raise ToolError(f"The connection to the MCP server was closed while `{name}` was running.") from None

    async def _answers(self) -> bool:
        try:
            await asyncio.wait_for(self._client.list_tools(cache_mode="bypass"), min(self.timeout, 5.0))
        except Exception:  # noqa: BLE001 - whatever it is, the server does not answer
            return False
        return True


async def _listed(client: Any) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor:
            return found


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def _failure(what: str, error: BaseException) -> ToolError:
    why = "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}".rstrip(": ")
    made = ToolError(f"The MCP server {what}: {why}.")
    made.__cause__ = error
    return made
