"""Many at once, several loops, cancellation, interruption, forks."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from core.http.scripted_server import Talk, answer, echo, serving
from whet.core.http import HttpRequest, HttpResponse, Pool, looping as looping_module
from whet.errors import LMTimeoutError, LMTransportError

SOMETHING: ContextVar[object] = ContextVar("something")


class Many(asyncio.Protocol):
    """Answers each request with its body after `latency` seconds."""

    latency = 0.0

    def __init__(self, connections: list[Many]) -> None:
        self.held = b""
        connections.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, found, body = self.held.partition(b"\r\n\r\n")
        if found and len(body) == int(head.lower().rpartition(b"content-length: ")[2]):
            self.held = b""
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, answer(body))


@contextmanager
def serving_many(latency: float) -> Iterator[tuple[str, list[Many]]]:
    """An asyncio server in a thread of its own: it holds a thousand connections."""
    connections: list[Many] = []
    Many.latency = latency
    ready: list[str] = []
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Many(connections), "127.0.0.1", 0, backlog=2048)
        async with server:
            ready.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
            started.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)
            for one in connections:
                one.transport.abort()
            await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(5)
    try:
        yield ready[0], connections
    finally:
        stop.set()
        thread.join()


def test_a_thousand_calls_at_once(pool: Pool) -> None:
    async def main(url: str) -> None:
        for _ in range(2):
            sent = [b"%d" % i for i in range(1000)]
            got = await asyncio.gather(*(pool.asend(HttpRequest(url=url, body=body)) for body in sent))
            assert [one.body for one in got] == sent

    with serving_many(0.3) as (url, connections):
        asyncio.run(main(url))
        assert len(connections) == 1000, "all in flight at once, and all kept for the second round"


def test_a_name_is_looked_up_once_for_all(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def main(url: str) -> None:
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def counting(*args: object, **options: object) -> object:
            asked.append(args)
            return await real(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "getaddrinfo", counting)
        await asyncio.gather(*(pool.asend(HttpRequest(url=url, body=b"x")) for _ in range(50)))

    with serving_many(0.1) as (url, connections):
        asyncio.run(main(url.replace("127.0.0.1", "localhost")))
        assert len(connections) == 50 and len(asked) == 1


def test_threads_share_connections_and_never_an_answer(pool: Pool) -> None:
    wrong: list[bytes] = []

    def work(name: int) -> None:
        for i in range(50):
            body = b"%d-%d" % (name, i)
            if pool.send(HttpRequest(url=server.url, body=body)).body != body:
                wrong.append(body)

    with serving(echo) as server:
        crew = [threading.Thread(target=work, args=(i,)) for i in range(24)]
        for one in crew:
            one.start()
        for one in crew:
            one.join()
        assert not wrong
        assert len(server.requests) == 24 * 50
        assert server.connections <= 24


def silent(talk: Talk) -> None:
    """Take a request and never answer."""
    talk.request()
    talk.wait_for_end()


def test_cancelling_closes_the_connection(pool: Pool) -> None:
    async def main() -> None:
        task = asyncio.create_task(pool.asend(HttpRequest(url=server.url)))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.ended.wait, 5)

    with serving(silent) as server:
        asyncio.run(main())


class Asker:
    """Notes what it is told of its exchange."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def answered(self, response: HttpResponse) -> None:
        self.told.append(response.body)

    def failed(self, error: BaseException) -> None:
        self.told.append(type(error))

    def unanswered(self, request: HttpRequest) -> None:
        self.told.append(request.url)


def test_an_exchange_without_a_coroutine_needs_an_open_connection_and_is_told_of_once(pool: Pool) -> None:
    async def main() -> None:
        request, first, second, third = HttpRequest(url=server.url, body=b"x"), Asker(), Asker(), Asker()
        assert pool.begin(request, first) is None
        await pool.asend(request)
        assert pool.begin(HttpRequest(url=server.url, body=b"x", sink=print), first) is None
        assert pool.begin(request, first) is not None
        while not first.told:
            await asyncio.sleep(0.001)
        exchange = pool.begin(request, second)
        assert exchange is not None and exchange.cancel() and exchange.cancel()
        await asyncio.sleep(0.05)
        assert pool.begin(request, third) is None  # its connection was closed
        assert (first.told, second.told, third.told) == ([b"x"], [asyncio.CancelledError], [])

    with serving(echo) as server:
        asyncio.run(main())
        assert server.connections == 1


def test_cancelling_while_connecting_leaves_nothing_behind(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = looping_module.Looping._connect

    async def slow(self: looping_module.Looping, route: object) -> object:
        """A connection that is complete just when nobody wants it any more."""
        wire = await real(self, route)  # type: ignore[arg-type]
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return wire
        raise AssertionError("not cancelled")

    async def main() -> None:
        monkeypatch.setattr(looping_module.Looping, "_connect", slow)
        with pytest.raises(LMTimeoutError, match="within 0.1 s"):
            await pool.asend(HttpRequest(url=server.url, timeout=0.1))
        task = asyncio.create_task(pool.asend(HttpRequest(url=server.url)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        assert await asyncio.to_thread(server.ended.wait, 5)

    with serving(silent) as server:
        asyncio.run(main())
        gc.collect()  # an unclosed transport would warn here, and warnings are errors
        assert server.connections == 2


def test_each_loop_has_its_own_connections_and_closes_them_at_its_end(pool: Pool) -> None:
    def script(talk: Talk) -> None:
        while (request := talk.request()) is not None:
            talk.send(answer(request[1]))
        talk.server.ended.set()

    async def main(body: bytes) -> bytes:
        first = await pool.asend(HttpRequest(url=server.url, body=body))
        second = await pool.asend(HttpRequest(url=server.url, body=first.body))
        return second.body

    with serving(script) as server:
        for i in range(3):
            server.ended.clear()
            assert asyncio.run(main(b"%d" % i)) == b"%d" % i
            assert server.ended.wait(5), "the loop's connection must be closed with the loop"
            assert server.connections == i + 1
        assert len(pool._loops) == 1, "closed loops are forgotten"


def test_loops_side_by_side_in_threads(pool: Pool) -> None:
    async def main(name: int) -> None:
        for i in range(20):
            body = b"%d-%d" % (name, i)
            assert (await pool.asend(HttpRequest(url=server.url, body=body))).body == body

    with serving(echo) as server:
        crew = [threading.Thread(target=asyncio.run, args=(main(i),)) for i in range(4)]
        for one in crew:
            one.start()
        for one in crew:
            one.join()
        assert server.connections == 4 and len(server.requests) == 80


def test_the_sink_runs_in_its_callers_context_on_a_connection_that_another_opened(pool: Pool) -> None:
    seen: list[object] = []

    async def one(name: str) -> None:
        SOMETHING.set(name)
        await pool.asend(HttpRequest(url=server.url, body=b"x", sink=lambda piece: seen.append(SOMETHING.get())))

    async def main() -> None:
        for name in ("first", "second"):
            await asyncio.create_task(one(name))

    with serving(echo) as server:
        asyncio.run(main())
        assert seen == ["first", "second"] and server.connections == 1


def test_a_kept_connection_does_not_keep_the_context_of_its_first_request(pool: Pool) -> None:
    class Heavy:
        pass

    async def one() -> weakref.ref[Heavy]:
        heavy = Heavy()
        SOMETHING.set(heavy)
        await pool.asend(HttpRequest(url=server.url, body=b"x"))
        return weakref.ref(heavy)

    async def main() -> None:
        ref = await asyncio.create_task(one())
        await asyncio.sleep(0)
        gc.collect()
        assert ref() is None

    with serving(echo) as server:
        asyncio.run(main())


def test_an_exchange_makes_no_reference_cycles(pool: Pool) -> None:
    async def main() -> int:
        await pool.asend(HttpRequest(url=server.url, body=b"x"))
        gc.collect()
        for _ in range(50):
            await pool.asend(HttpRequest(url=server.url, body=b"x"))
            pool.send(HttpRequest(url=server.url, body=b"x"))
        return gc.collect()

    with serving(echo) as server:
        pool.send(HttpRequest(url=server.url, body=b"x"))
        gc.disable()
        try:
            assert asyncio.run(main()) < 50
        finally:
            gc.enable()


def test_an_interrupt_closes_the_connection(pool: Pool) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        os.kill(os.getpid(), signal.SIGINT)
        talk.wait_for_end()

    with serving(script) as server:
        with pytest.raises(KeyboardInterrupt):
            pool.send(HttpRequest(url=server.url))
        assert server.ended.wait(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_process_leaves_the_parents_connections_alone(pool: Pool) -> None:
    def child(queue: multiprocessing.SimpleQueue[object]) -> None:
        queue.put(pool.send(HttpRequest(url=server.url, body=b"child")).body)
        queue.put(asyncio.run(pool.asend(HttpRequest(url=server.url, body=b"async child"))).body)

    with serving(echo) as server:
        assert pool.send(HttpRequest(url=server.url, body=b"a")).body == b"a"
        context = multiprocessing.get_context("fork")
        queue: multiprocessing.SimpleQueue[object] = context.SimpleQueue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        assert [queue.get(), queue.get()] == [b"child", b"async child"]
        process.join(10)
        assert process.exitcode == 0
        assert pool.send(HttpRequest(url=server.url, body=b"b")).body == b"b"
        assert server.connections == 3, "one of the parent, kept, and two of the child"


def test_a_program_ends_without_a_warning_while_connections_are_idle() -> None:
    code = """
        import asyncio, sys
        from whet.core.http import HttpRequest, asend, send
        request = HttpRequest(url=sys.argv[1], body=b"x")
        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60  # of a busy machine, no word
            print((await asend(request)).body)
        asyncio.run(main())
        print(send(request).body)
    """
    with serving(echo) as server:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code), server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'x'\nb'x'\n", "")


def test_a_full_listener_meets_the_connect_deadline(pool: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            fillers.append(one)
        request = HttpRequest(url=f"http://127.0.0.1:{port}/", timeout=0.2)
        try:
            with pytest.raises((LMTimeoutError, LMTransportError)):
                pool.send(request)
            with pytest.raises((LMTimeoutError, LMTransportError)):
                asyncio.run(pool.asend(request))
        finally:
            for one in fillers:
                one.close()
