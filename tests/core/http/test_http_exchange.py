"""One exchange after another over real sockets, blocking and awaiting alike."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable

import pytest

from core.http.scripted_server import Talk, answer, echo, once, serving
from whet.core.http import HttpRequest, HttpResponse, Pool, fault, pool as pool_module
from whet.core.http.parser import ERROR_LIMIT
from whet.errors import LMTimeoutError, LMTransportError, LMUnexpectedError

Call = Callable[[HttpRequest], HttpResponse]


def test_request_and_answer_arrive_whole(call: Call) -> None:
    with serving(once(answer(b'{"ok":1}', headers="X-Request-ID: 7\r\nSet-Cookie: a\r\nset-cookie: b\r\n"))) as server:
        got = call(HttpRequest(url=server.url + "?v=2#part", headers={"X-Key": "k"}, body=b"hello"))
    assert (got.status, got.body) == (200, b'{"ok":1}')
    assert got.headers["x-request-id"] == "7" and got.headers["set-cookie"] == "a, b"
    head, body = server.requests[0]
    assert body == b"hello"
    assert head.startswith("POST /v1/chat?v=2 HTTP/1.1\r\nhost: 127.0.0.1:") and "\r\nx-key: k\r\n" in head


def test_one_connection_serves_many_requests(call: Call) -> None:
    with serving(echo) as server:
        assert [call(HttpRequest(url=server.url, body=b"%d" % i)).body for i in range(20)] == [b"%d" % i for i in range(20)]
        assert call(HttpRequest(url=server.url, method="GET")).body == b"empty"
        assert server.connections == 1


@pytest.mark.parametrize("closing", ["Connection: close\r\n", "Connection: Keep-Alive, Close\r\n"])
def test_a_connection_announced_as_closing_is_not_used_again(call: Call, closing: str) -> None:
    def script(talk: Talk) -> None:
        while talk.request():
            talk.send(answer(b"x", headers=closing))

    with serving(script) as server:
        call(HttpRequest(url=server.url))
        call(HttpRequest(url=server.url))
        assert server.connections == 2


def test_a_server_that_closed_its_idle_connection_costs_nothing_but_a_new_one(call: Call) -> None:
    with serving(once(answer(b"x"))) as server:
        for _ in range(3):
            assert call(HttpRequest(url=server.url)).body == b"x"
            time.sleep(0.05)
        assert server.connections == 3


def test_a_kept_connection_that_dies_under_the_request_is_retried_once_on_a_fresh_one(call: Call) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(answer(b"first"))
        talk.request()  # read, and hang up without a word
        if talk.number == 2:
            talk.send(answer(b"not reached"))

    with serving(script) as server:
        assert call(HttpRequest(url=server.url)).body == b"first"
        assert call(HttpRequest(url=server.url)).body == b"first"
        assert server.connections == 2 and len(server.requests) == 3


def test_a_fresh_connection_that_dies_is_not_retried(call: Call) -> None:
    with serving(lambda talk: talk.request() and None) as server:
        with pytest.raises(LMTransportError, match=rf"127\.0\.0\.1:{server.port} closed the connection without answering"):
            call(HttpRequest(url=server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ],
)
def test_a_truncated_answer_is_an_error(call: Call, raw: bytes) -> None:
    with serving(once(raw)) as server, pytest.raises(LMTransportError, match="in the middle of its answer"):
        call(HttpRequest(url=server.url))


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\x00\x02\x02", b"HTTP/1.1 2x0 OK\r\n\r\n", b"HTTP/2 200\r\n\r\n"])
def test_garbage_is_an_error_that_shows_its_beginning(call: Call, raw: bytes) -> None:
    with serving(once(raw)) as server, pytest.raises(LMTransportError, match="sent no proper HTTP answer: the answer starts with"):
        call(HttpRequest(url=server.url))


def test_headers_without_end_are_an_error(call: Call) -> None:
    with serving(once(b"HTTP/1.1 200 OK\r\n" + b"x-filler: y\r\n" * 6000)) as server, pytest.raises(LMUnexpectedError, match="65,536"):
        call(HttpRequest(url=server.url))


def test_a_body_without_length_ends_with_the_connection(call: Call) -> None:
    with serving(once(b"HTTP/1.0 200 OK\r\n\r\nto the end")) as server:
        assert call(HttpRequest(url=server.url)).body == b"to the end"
        call(HttpRequest(url=server.url))
        assert server.connections == 2


def test_answers_that_have_no_body_do_not_wait_for_one(call: Call) -> None:
    raws = {"DELETE": b"HTTP/1.1 204 No Content\r\n\r\n", "GET": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"}
    raws["HEAD"] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"

    def script(talk: Talk) -> None:
        while (request := talk.request()) is not None:
            talk.send(raws[request[0].split(" ")[0]])

    with serving(script) as server:
        methods = ["DELETE", "GET", "HEAD", "GET"]
        assert [call(HttpRequest(url=server.url, method=m, timeout=5)).status for m in methods] == [204, 304, 200, 304]
        assert server.connections == 1


def test_interim_answers_are_skipped(call: Call) -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + answer(b"real")
    with serving(once(raw)) as server:
        got = call(HttpRequest(url=server.url, headers={"expect": "100-continue"}, body=b"x"))
    assert (got.status, got.body) == (200, b"real") and "link" not in got.headers


def test_a_slow_drip_meets_the_deadline(call: Call) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(100_000):  # for longer than this test may take
            talk.send(b".")
            time.sleep(0.02)

    with serving(script) as server:
        start = time.monotonic()
        with pytest.raises(LMTimeoutError, match=rf"127\.0\.0\.1:{server.port} within 0\.3 s"):
            call(HttpRequest(url=server.url, timeout=0.3))
        assert time.monotonic() - start > 0.25


def test_a_short_deadline_after_a_long_one_holds_on_the_same_connection(call: Call) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(answer(b"x"))
        talk.request()
        talk.wait_for_end()

    with serving(script) as server:
        call(HttpRequest(url=server.url, timeout=600))
        with pytest.raises(LMTimeoutError):
            call(HttpRequest(url=server.url, timeout=0.2))
        assert server.ended.wait(5), "the connection of a late answer must be closed"
        assert server.connections == 1


def test_no_deadline_is_possible(call: Call) -> None:
    with serving(echo) as server:
        assert call(HttpRequest(url=server.url, body=b"x", timeout=None)).body == b"x"
        assert call(HttpRequest(url=server.url, body=b"y", timeout=None)).body == b"y"


def test_large_bodies_go_both_ways(call: Call) -> None:
    body = bytes(range(256)) * 40_000
    with serving(echo) as server:
        assert call(HttpRequest(url=server.url, body=body)).body == body
        assert call(HttpRequest(url=server.url, body=body)).body == body
        assert server.connections == 1


def test_a_compressed_answer_is_decoded(call: Call) -> None:
    with serving(once(answer(gzip.compress(b"plain " * 100), headers="Content-Encoding: gzip\r\n"))) as server:
        assert call(HttpRequest(url=server.url)).body == b"plain " * 100


def test_nobody_listening_is_said_plainly(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(LMTransportError, match=rf"Nothing listens at 127\.0\.0\.1:{port}: is the server running") as caught:
        call(HttpRequest(url=f"http://127.0.0.1:{port}/v1?key=secret", headers={"authorization": "Bearer secret"}))
    assert "secret" not in str(caught.value)


def test_localhost_is_tried_under_all_its_addresses(call: Call) -> None:
    with serving(echo) as server:
        assert call(HttpRequest(url=f"http://localhost:{server.port}/", body=b"x")).body == b"x"


# Streaming -----------------------------------------------------------------------------------------------------------------------------


def test_a_sink_gets_the_body_as_it_comes(call: Call) -> None:
    heard = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        assert heard.wait(5), "the first piece must arrive before the second is sent"
        talk.send(b"3\r\ntwo\r\n0\r\n\r\n")
        talk.wait_for_end()

    pieces = []

    def sink(piece: bytes) -> None:
        pieces.append(piece)
        heard.set()

    with serving(script) as server:
        got = call(HttpRequest(url=server.url, sink=sink))
    assert pieces == [b"one", b"two"] and got.body == b""


def test_a_sink_gets_decoded_bytes_and_bodies_without_length(call: Call) -> None:
    pieces: list[bytes] = []
    packed = gzip.compress(b"streamed " * 1000)
    with serving(once(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + packed)) as server:
        call(HttpRequest(url=server.url, sink=pieces.append))
    assert b"".join(pieces) == b"streamed " * 1000


def test_an_error_answer_is_collected_in_spite_of_the_sink(call: Call) -> None:
    pieces: list[bytes] = []
    with serving(once(answer(b"slow down", status="429 Too Many Requests"))) as server:
        got = call(HttpRequest(url=server.url, sink=pieces.append))
    assert (got.status, got.body, pieces) == (429, b"slow down", [])


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("no JSON"), StopIteration()])
def test_a_sink_that_raises_closes_the_connection(call: Call, error: BaseException) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome")
        talk.wait_for_end()

    def sink(piece: bytes) -> None:
        raise error

    with serving(script) as server:
        with pytest.raises(BaseException) as caught:
            call(HttpRequest(url=server.url, sink=sink))
        assert server.ended.wait(5)
    assert error in (caught.value, caught.value.__cause__), repr(caught.value)


# Redirects -----------------------------------------------------------------------------------------------------------------------------


def test_redirects_to_the_same_place_are_followed_with_method_and_body(call: Call) -> None:
    def script(talk: Talk) -> None:
        while (request := talk.request()) is not None:
            moved = "/v1/chat " in request[0]
            talk.send(answer(b"", status="308 Moved", headers="Location: /v2?x=1\r\n") if moved else answer(request[1]))

    with serving(script) as server:
        assert call(HttpRequest(url=server.url, body=b"kept")).body == b"kept"
        assert server.requests[1][0].startswith("POST /v2?x=1 ") and server.connections == 1


@pytest.mark.parametrize("status, location", [("307 T", "http://127.0.0.1:9/x"), ("302 Found", "/v2"), ("308 P", "ftp:/"), ("307 T", "")])
def test_other_redirects_are_handed_back(call: Call, status: str, location: str) -> None:
    line = f"Location: {location}\r\n" if location else ""
    with serving(once(answer(b"moved", status=status, headers=line))) as server:
        got = call(HttpRequest(url=server.url))
    assert (got.status, got.body) == (int(status[:3]), b"moved")


def test_redirects_in_a_circle_end(call: Call) -> None:
    def script(talk: Talk) -> None:
        while talk.request():
            talk.send(answer(b"", status="307 T", headers="Location: ?again\r\n"))

    with serving(script) as server, pytest.raises(LMTransportError, match="redirected 5 times"):
        call(HttpRequest(url=server.url + "?key=secret"))


# Errors --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["sized", "chunked", "to the end"])
def test_of_an_endless_error_the_beginning_is_read(call: Call, framing: str) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        line = {"sized": "content-length: 99999999999\r\n", "chunked": "transfer-encoding: chunked\r\n"}.get(framing, "")
        talk.send(f"HTTP/1.1 503 Busy\r\n{line}\r\n".encode())
        piece = b"busy" * 16_384
        with contextlib.suppress(OSError):
            for _ in range(4 * ERROR_LIMIT // len(piece)):
                talk.send(b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece)
            talk.wait_for_end()
        talk.server.ended.set()

    with serving(script) as server:
        got = call(HttpRequest(url=server.url))
        assert server.ended.wait(5)
    assert got.status == 503 and got.body.startswith(b"busybusy") and len(got.body) < 2 * ERROR_LIMIT


def test_of_an_error_that_grows_when_it_is_inflated_the_beginning_is_read(call: Call) -> None:
    body = gzip.compress(b"bad!" * (8 * ERROR_LIMIT))
    with serving(once(answer(body, status="400 Bad", headers="content-encoding: gzip\r\n"))) as server:
        got = call(HttpRequest(url=server.url))
    assert got.status == 400 and got.body.startswith(b"bad!bad!") and len(got.body) < 2 * ERROR_LIMIT


# Idle connections ----------------------------------------------------------------------------------------------------------------------


def test_bytes_that_nobody_asked_for_spoil_a_connection(call: Call) -> None:
    def script(talk: Talk) -> None:
        while (request := talk.request()) is not None:
            talk.send(answer(request[1]) + answer(b"smuggled"))

    with serving(script) as server:
        assert [call(HttpRequest(url=server.url, body=b"%d" % i)).body for i in range(3)] == [b"0", b"1", b"2"]
        assert server.connections == 3


def test_a_connection_is_dropped_before_the_server_says_it_closes_it(call: Call) -> None:
    def script(talk: Talk) -> None:
        while (request := talk.request()) is not None:
            talk.send(answer(request[1], headers="Keep-Alive: timeout=1, max=100\r\n"))

    with serving(script) as server:
        call(HttpRequest(url=server.url))
        call(HttpRequest(url=server.url))
        assert server.connections == 2


def test_the_shared_functions_use_one_pool() -> None:
    with serving(echo) as server:
        assert [pool_module.send(HttpRequest(url=server.url, body=b"%d" % i)).body for i in range(3)] == [b"0", b"1", b"2"]
        assert server.connections == 1
        pool_module._shared().close()


def test_a_closed_pool_closes_its_connections_and_stays_usable(pool: Pool) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(answer(b"x"))
        talk.wait_for_end()

    with serving(script) as server:
        pool.send(HttpRequest(url=server.url))
        pool.close()
        assert server.ended.wait(5)
        assert pool.send(HttpRequest(url=server.url)).body == b"x"
        assert server.connections == 2


def test_a_forgotten_pool_closes_its_connections() -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(answer(b"x"))
        talk.wait_for_end()

    with serving(script) as server:
        Pool().send(HttpRequest(url=server.url))
        assert server.ended.wait(5)


def test_a_time_limit_is_told_in_hundredths() -> None:
    told = [str(fault.no_time("here", seconds)) for seconds in (1.99974, 600.0, 0.0004, None)]
    assert [text.split(":")[0].partition("here ")[2] for text in told] == ["within 2 s", "within 600 s", "within 0.0004 s", "in time"]
