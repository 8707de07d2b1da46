"""Idle connections: taken last in first out, dropped when their time is over, never handed out dead."""

from __future__ import annotations

import asyncio
import threading

import pytest

from core.http.scripted_server import Talk, answer, serving
from whet.core.http import HttpRequest, Pool, looping as looping_module, shelf as shelf_module
from whet.core.http.parser import AnswerReader
from whet.core.http.shelf import Shelf, idle_seconds


class Line:
    def __init__(self, expires: float) -> None:
        self.expires, self.alive, self.closed = expires, True, False

    def quiet(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.closed = True


def test_the_last_one_given_is_the_first_one_taken() -> None:
    shelf: Shelf[Line] = Shelf()
    old, young = Line(100), Line(100)
    shelf.give("a", old, 0)
    shelf.give("a", young, 0)
    assert shelf.take("b", 1) is None
    assert [shelf.take("a", 1), shelf.take("a", 1), shelf.take("a", 1)] == [young, old, None]


def test_the_dead_and_the_expired_are_closed_on_the_way() -> None:
    shelf: Shelf[Line] = Shelf()
    good, dead, expired = Line(100), Line(100), Line(5)
    for line in (good, dead, expired):
        shelf.give("a", line, 0)
    dead.alive = False
    assert shelf.take("a", 6) is good
    assert (dead.closed, expired.closed, good.closed) == (True, True, False)


def test_giving_sweeps_other_places_now_and_then() -> None:
    shelf: Shelf[Line] = Shelf()
    forgotten = Line(30)
    shelf.give("a", forgotten, 0)
    shelf.give("b", Line(100), 20)
    assert not forgotten.closed
    shelf.give("b", Line(100), 31)
    assert forgotten.closed and len(shelf) == 2
    assert shelf.sweep(50) is True
    assert shelf.sweep(500) is False and len(shelf) == 0


def test_clearing_closes_all_even_while_another_thread_holds_the_lock_of_a_forked_parent() -> None:
    shelf: Shelf[Line] = Shelf()
    line = Line(100)
    shelf.give("a", line, 0)
    holder = threading.Thread(target=shelf._lock.acquire)
    holder.start()
    holder.join()
    shelf.abandon()
    assert line.closed and len(shelf) == 0


@pytest.mark.parametrize(
    "header, seconds",
    [("", 30), ("Keep-Alive: timeout=5, max=100\r\n", 4), ("Keep-Alive: timeout = 1\r\n", 0), ("Keep-Alive: timeout=900\r\n", 30)],
)
def test_a_server_that_announces_its_patience_is_believed(header: str, seconds: float) -> None:
    reader = AnswerReader("h:1")
    reader.feed(f"HTTP/1.1 204 No\r\n{header}\r\n".encode())
    assert idle_seconds(reader) == seconds


def test_a_loop_at_rest_closes_its_idle_connections(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(answer(b"x"))
        talk.wait_for_end()

    async def main() -> None:
        await pool.asend(HttpRequest(url=server.url))
        assert await asyncio.to_thread(server.ended.wait, 5)

    monkeypatch.setattr(shelf_module, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(looping_module, "IDLE_SECONDS", 0.2)
    with serving(script) as server:
        asyncio.run(main())
