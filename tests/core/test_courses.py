"""Jobs on an event loop whose answers come over connections that are open already: no task stands between an answer and its flow."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
from typing import Any

import pytest

from core.http.scripted_server import Server, Talk, answer, echo, serving
from whet.core.flow import ENOUGH, Flow, Gather, Invoke, Job, JobTimeout, Send, Sleep, adrive
from whet.core.http import HttpRequest, HttpResponse
from whet.errors import ConfigurationError, LMTimeoutError, LMTransportError

VAR: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)


def asks(server: Server, body: bytes = b"x", *, path: str = "", timeout: float = 5.0) -> Job:
    def job() -> Flow[bytes]:
        response: HttpResponse = yield Send(HttpRequest(url=server.url + path, body=body, timeout=timeout))
        return response.body

    return job


def gathered(*jobs: Job, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        return await side_by_side(*jobs, **options)

    return asyncio.run(main())


async def side_by_side(*jobs: Job, **options: Any) -> list[Any]:
    def flow() -> Flow[list[Any]]:
        return (yield Gather(jobs, **options))

    return await adrive(flow())


async def opened(server: Server) -> None:
    assert await side_by_side(asks(server, b"opens")) == [b"opens"]


def may_be_silent(talk: Talk) -> None:
    """Echoes, but for `silence`."""
    while (got := talk.request()) is not None:
        if got[1] == b"silence":
            assert talk.wait_for_end()
            return
        talk.send(answer(got[1]))


def test_answers_go_to_the_flows_that_asked_in_their_own_contexts() -> None:
    tasks: list[Any] = []

    def job(number: int) -> Job:
        def flow() -> Flow[tuple[bytes, int]]:
            before = VAR.get()
            VAR.set(number)
            bodies = []
            for turn in range(3):
                response = yield Send(HttpRequest(url=server.url, body=b"%d-%d" % (number, turn)))
                bodies.append(response.body)
                tasks.append(asyncio.current_task())
            assert VAR.get() == number and before == 0
            return b" ".join(bodies), VAR.get()

        return flow

    async def main() -> list[Any]:
        await opened(server)
        return await side_by_side(*map(job, range(20)), limit=1)

    with serving(echo) as server:
        got = asyncio.run(main())
        assert got == [(b"%d-0 %d-1 %d-2" % (n, n, n), n) for n in range(20)]
        assert server.connections == 1 and set(tasks) == {None}  # no answer passed through a task


def test_a_connection_that_was_closed_meanwhile_costs_nobody_an_answer() -> None:
    def script(talk: Talk) -> None:
        while (got := talk.request()) is not None:
            talk.send(answer(got[1]))
            if got[1] == b"opens":
                return

    async def main() -> None:
        await opened(server)
        assert await side_by_side(asks(server, b"a"), asks(server, b"b")) == [b"a", b"b"]

    with serving(script) as server:
        asyncio.run(main())
        assert sorted(body for _, body in server.requests if body != b"opens") == [b"a", b"b"]


def test_a_connection_that_dies_under_way_is_an_error_for_the_flow() -> None:
    def script(talk: Talk) -> None:
        while (got := talk.request()) is not None:
            if got[1] != b"opens":
                talk.send(answer(b"whole answer")[:-3])
                return
            talk.send(answer(got[1]))

    async def main() -> list[Any]:
        await opened(server)
        return await side_by_side(asks(server))

    with serving(script) as server:
        (outcome,) = asyncio.run(main())
        assert isinstance(outcome, LMTransportError)
        assert len(server.requests) == 2  # not asked again: the server had begun to answer


def test_a_redirected_request_is_followed() -> None:
    def script(talk: Talk) -> None:
        while (got := talk.request()) is not None:
            moved = "/moved" not in got[0] and got[1] != b"opens"
            headers = f"Location: {server.url}/moved\r\n" if moved else ""
            talk.send(answer(got[1], status="307 Temporary Redirect" if moved else "200 OK", headers=headers))

    async def main() -> None:
        await opened(server)
        assert await side_by_side(asks(server, b"over there")) == [b"over there"]

    with serving(script) as server:
        asyncio.run(main())


def test_the_time_limits_of_requests_and_of_jobs_close_the_connection() -> None:
    async def main() -> None:
        await opened(server)
        (late,) = await side_by_side(asks(server, b"silence", timeout=0.05))
        assert isinstance(late, LMTimeoutError) and server.ended.wait(5)
        server.ended.clear()
        await opened(server)
        (late,) = await side_by_side(asks(server, b"silence"), timeout=0.05)
        assert isinstance(late, JobTimeout) and server.ended.wait(5)

    with serving(may_be_silent) as server:
        asyncio.run(main())


def test_cancelling_closes_the_connections_and_the_flows() -> None:
    tidied: list[int] = []

    def tidy() -> Flow[None]:
        try:
            yield Send(HttpRequest(url=server.url, body=b"silence"))
        finally:
            yield Sleep(0)  # a flow may take its time to tidy up
            tidied.append(1)

    async def main() -> None:
        await opened(server)
        task = asyncio.create_task(side_by_side(tidy, asks(server, b"silence"), tidy))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tidied == [1, 1] and server.ended.wait(5)

    with serving(may_be_silent) as server:
        asyncio.run(main())


def test_who_has_enough_leaves_an_exchange_under_way() -> None:
    async def main() -> None:
        await opened(server)
        jobs: Any = [asks(server, b"silence"), asks(server, b"quick"), ENOUGH]
        silent, quick = await side_by_side(*jobs, limit=2)
        assert isinstance(silent, JobTimeout) and quick == b"quick"

    with serving(may_be_silent) as server:
        asyncio.run(main())


def test_what_cannot_be_sent_is_an_error_where_the_flow_asked() -> None:
    def wrong() -> Flow[str]:
        try:
            yield Send(HttpRequest(url="no address"))
        except ConfigurationError:
            return "caught"
        return "sent"

    assert gathered(wrong, wrong) == ["caught", "caught"]


def test_an_interrupt_in_a_flow_ends_the_whole_and_the_loop() -> None:
    def interrupted() -> Flow[None]:
        yield Send(HttpRequest(url=server.url, body=b"x"))
        raise KeyboardInterrupt

    async def main() -> None:
        await opened(server)
        await side_by_side(interrupted, asks(server))

    with serving(echo) as server, pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


def test_jobs_that_need_not_wait_leave_others_their_turn() -> None:
    def at_once() -> Flow[int]:
        return 1
        yield

    async def main() -> int:
        turns = 0
        task = asyncio.create_task(side_by_side(*[at_once] * 200, limit=3))
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert task.result() == [1] * 200
        return turns

    assert asyncio.run(main()) >= 200


def test_a_coroutine_of_somebody_elses_runs_in_a_task_with_its_time_limits() -> None:
    async def theirs() -> str:
        assert asyncio.current_task() is not None
        try:
            async with asyncio.timeout(0.02):
                await asyncio.sleep(5)
        except TimeoutError:
            VAR.set(7)
        return "timed"

    def job() -> Flow[tuple[str, int]]:
        first = yield Send(HttpRequest(url=server.url, body=b"x"))
        assert first.body == b"x"
        told = yield Invoke(theirs)
        return told, VAR.get()  # what they set is seen in the rest of the job

    async def main() -> list[Any]:
        await opened(server)
        return await side_by_side(job, job)

    with serving(echo) as server:
        assert asyncio.run(main()) == [("timed", 7), ("timed", 7)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are eager tasks from 3.12 on")
def test_tasks_that_begin_eagerly_are_welcome() -> None:
    async def theirs(number: int) -> int:
        assert asyncio.current_task() is not None
        VAR.set(number)
        if number % 2:
            await asyncio.sleep(0.001)
        return number

    def job(number: int) -> Job:
        def flow() -> Flow[int]:
            got = yield Invoke(theirs, (number,))
            yield Send(HttpRequest(url=server.url, body=b"x"))
            assert VAR.get() == number
            return int(got)

        return flow

    async def main() -> list[Any]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        return await side_by_side(*map(job, range(10)), limit=3)

    with serving(echo) as server:
        assert asyncio.run(main()) == list(range(10))


def test_a_thousand_answers_leave_no_reference_cycles() -> None:
    async def main() -> int:
        await opened(server)
        gc.collect()
        await side_by_side(*[asks(server)] * 1000, limit=1)
        return gc.collect()

    with serving(echo) as server:
        gc.disable()
        try:
            assert asyncio.run(main()) < 100
        finally:
            gc.enable()


def test_loops_in_threads_side_by_side() -> None:
    got: list[list[Any]] = []

    def work(name: bytes) -> None:
        async def main() -> None:
            await opened(server)
            got.append(await side_by_side(*[asks(server, name)] * 50, limit=5))

        asyncio.run(main())

    with serving(echo) as server:
        threads = [threading.Thread(target=work, args=(b"%d" % n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(rows[0] for rows in got) == [b"0", b"1", b"2", b"3"]
    assert all(len(rows) == 50 and len(set(rows)) == 1 for rows in got)
