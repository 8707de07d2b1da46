"""`ColBERTv2` against a real server on loopback: GET, POST, failures, retries, async."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import whet
from whet.errors import (
    ConfigurationError,
    InputError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTransportError,
    LMUnexpectedError,
)
from whet.retrieve import BM25, ColBERTv2, Hybrid, Retriever

PASSAGES = [f"Castle {i} | A castle." for i in range(5)]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, int, str]] = []
        self.failures: list[tuple[int, bytes]] = []
        self.headers: dict[str, str] = {}
        self.together: threading.Barrier | None = None  # answers wait until so many were asked for
        self.url = f"http://127.0.0.1:{self.server_port}/wiki17_abstracts"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.answer("GET", query["query"][0], int(query["k"][0]))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer("POST", body["query"], body["k"])

    def answer(self, method: str, query: str, k: int) -> None:
        self.server.asked.append((method, query, k, urlsplit(self.path).path))
        if self.server.together is not None:
            self.server.together.wait(20)
        status, body, headers = 200, b"", dict(self.server.headers)
        if self.server.failures:
            status, body = self.server.failures.pop(0)
        rows = [{"text": text, "pid": i, "rank": i + 1, "score": 20.0 - i, "prob": 0.2} for i, text in enumerate(PASSAGES)]
        body = body or json.dumps({"query": query, "topk": rows}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for header in headers.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_call_of_the_documentation(server: Server) -> None:
    results = ColBERTv2(url=server.url)("What's the name of the castle? \u00e9&=", k=3)
    assert [x["text"] for x in results] == PASSAGES[:3]
    assert (results[0].long_text, results[0]["score"], results[2].pid) == (PASSAGES[0], 20.0, 2)
    assert server.asked == [("GET", "What's the name of the castle? \u00e9&=", 3, "/wiki17_abstracts")]


def test_post_port_and_simplify(server: Server) -> None:
    client = ColBERTv2("http://127.0.0.1", server.server_port, post_requests=True)
    assert client("q", k=2, simplify=True) == PASSAGES[:2]
    assert server.asked == [("POST", "q", 2, "/")]


def test_it_is_a_retriever_and_answers_are_kept(server: Server) -> None:
    client = ColBERTv2(server.url)
    assert isinstance(client, Retriever)
    first = client("q", k=2)
    first[0]["text"] = "spoilt"
    assert client("q", k=2)[0].text == PASSAGES[0]
    assert len(server.asked) == 1
    assert [len(found) for found in client.search(["q", "r"], 2)] == [2, 2]
    assert len(server.asked) == 2
    assert Hybrid(client, BM25(PASSAGES))("castle 3", k=1)


def test_awaited_it_is_the_same(server: Server) -> None:
    async def both() -> list[Any]:
        return await asyncio.gather(*(ColBERTv2(server.url).acall(q, k=1, simplify=True) for q in "ab"))

    assert asyncio.run(both()) == [[PASSAGES[0]]] * 2


def test_a_server_in_trouble_is_asked_again(server: Server) -> None:
    server.failures = [(503, b"busy"), (429, b"slow down")]
    assert len(ColBERTv2(server.url)("q", k=1)) == 1
    assert len(server.asked) == 3
    server.failures = [(500, b"broken")]
    with pytest.raises(LMServerError, match="answered with status 500: 'broken'") as caught:
        ColBERTv2(server.url, num_retries=0)("q")
    assert caught.value.status == 500
    server.failures = [(404, b"nothing here")]
    with pytest.raises(LMInvalidRequestError, match="status 404"):
        ColBERTv2(server.url)("q")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"topk": [{"text": "a", "score": "high"}]}', "scores that are numbers"),
        (b'{"topk": [{"text": "a", "score": NaN}]}', "scores that are numbers"),
        (b'{"topk": [{"text": "M\xfcller", "score": 1}]}', "did not answer with JSON in UTF-8"),
        (b'{"error": "no index for key=sk-abcdef1234567890"}', r"It said: 'no index for key=\*\*\*'"),
        (b"<html>", "did not answer with JSON"),
        (b'{"error": true, "message": "index gone"}', "It said: 'index gone'"),
        (b"[]", "without a list `topk`"),
        (b'{"topk": [{"pid": 1}]}', "passages with `text`"),
    ],
)
def test_an_answer_of_another_kind_says_so(server: Server, body: bytes, words: str) -> None:
    server.failures = [(200, body)]
    with pytest.raises(LMUnexpectedError, match=words):
        ColBERTv2(server.url)("q")


def test_nobody_there_is_a_transport_error() -> None:
    with pytest.raises(LMTransportError):
        ColBERTv2("http://127.0.0.1/path", 9, num_retries=0)("q")
    assert ColBERTv2("http://host/api/search", 8893).url == "http://host:8893/api/search"


def test_a_query_must_be_a_text() -> None:
    with pytest.raises(ValueError, match="A query is a text"):
        ColBERTv2()(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b'{"topk":' + b"[" * 200_000, b'{"topk":[{"text":"x","score":' + b"9" * 5000 + b"}]}"])
def test_json_too_deep_or_too_long_is_an_error_of_the_server(server: Server, body: bytes) -> None:
    server.failures = [(200, body)]
    with pytest.raises(LMUnexpectedError, match="did not answer with JSON"):
        ColBERTv2(server.url)("a")


def test_a_server_that_asks_for_patience_gets_it(server: Server) -> None:
    server.failures, server.headers = [(429, b"slow")], {"Retry-After": "0.6"}
    started = time.monotonic()
    assert len(ColBERTv2(server.url)("a", k=2)) == 2
    assert time.monotonic() - started >= 0.6


def test_what_is_no_address_and_no_number(server: Server) -> None:
    with pytest.raises(ConfigurationError, match="`url` is None"):
        ColBERTv2(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`k` is 2.5"):
        ColBERTv2(server.url)("a", k=2.5)  # type: ignore[arg-type]
    assert server.asked == []


def test_answers_are_kept_across_clients_as_a_tool_that_makes_one_per_call_needs(server: Server) -> None:
    for client in (ColBERTv2(server.url), ColBERTv2(server.url), ColBERTv2(url=server.url, timeout=5)):
        assert client("q", k=2)[1].pid == 1
    assert len(server.asked) == 1
    for client in (ColBERTv2(server.url, post_requests=True), ColBERTv2(server.url, caching=False)):
        client("q", k=2)
    with whet.context(cache_mode="off"):
        ColBERTv2(server.url)("q", k=2)
    with whet.context(cache_mode="refresh"):
        ColBERTv2(server.url)("q", k=2)
    assert len(server.asked) == 5


def test_many_queries_are_asked_side_by_side_and_each_once(server: Server) -> None:
    server.together = threading.Barrier(4)
    queries = [f"q{n % 8}" for n in range(16)]
    found = ColBERTv2(server.url).search(queries, k=1)
    server.together = None
    assert [len(passages) for passages in found] == [1] * 16
    assert sorted(query for _, query, _, _ in server.asked) == [f"q{n}" for n in range(8)]
    assert found[0][0] is not found[8][0]
    assert ColBERTv2(server.url).search([], k=1) == []
    server.failures = [(404, b"gone")]
    with pytest.raises(LMInvalidRequestError, match="gone"):
        ColBERTv2(server.url).search(["x", "y"], k=1)


def test_a_server_that_asks_for_hours_is_not_asked_again(server: Server) -> None:
    server.failures, server.headers = [(429, b"slow")], {"Retry-After": "7200"}
    started = time.monotonic()
    with pytest.raises(LMRateLimitError) as caught:
        ColBERTv2(server.url)("a")
    assert time.monotonic() - started < 1 and caught.value.retry_after == 7200 and len(server.asked) == 1


@pytest.mark.parametrize(("status", "tries"), [(408, 2), (409, 2), (504, 2), (401, 1), (403, 1), (422, 1)])
def test_what_may_pass_is_tried_again_and_nothing_else(server: Server, status: int, tries: int) -> None:
    server.failures = [(status, b"no")] * 2
    with pytest.raises(LMError, match=f"status {status}"):
        ColBERTv2(server.url, num_retries=1)("a")
    assert len(server.asked) == tries


def test_a_key_in_the_address_is_shown_to_nobody(server: Server) -> None:
    secret = "s3cr3t-of-mine"
    for failure in ((404, f"bad key {secret}".encode()), (200, f"<html>{secret}</html>".encode()), (200, b"{}")):
        server.failures = [failure]
        with pytest.raises(LMError) as caught:
            ColBERTv2(f"{server.url}?key={secret}")("q")
        assert secret not in str(caught.value) and server.url in str(caught.value)


def test_a_moved_server_is_followed_at_the_same_place_and_named_elsewhere(server: Server) -> None:
    server.headers, server.failures = {"location": "/new?query=q&k=2"}, [(301, b"moved")]
    assert len(ColBERTv2(server.url)("q", k=2)) == 2
    assert [path for *_, path in server.asked] == ["/wiki17_abstracts", "/new"]
    server.headers, server.failures = {"location": "https://elsewhere.example/new?key=1"}, [(302, b"moved")]
    with pytest.raises(LMInvalidRequestError, match="redirects to https://elsewhere.example/new. Give the address"):
        ColBERTv2(server.url)("r", k=2)


def test_passages_may_come_as_long_text_and_scores_as_digits(server: Server) -> None:
    server.failures = [(200, b'{"topk": [{"long_text": "a", "score": "3.5"}, {"text": "b", "score": null}]}')]
    first, second = ColBERTv2(server.url)("q")
    assert (first.text, first.score, second.text, second.score) == ("a", 3.5, "b", None)


def test_a_query_that_is_no_proper_text_still_goes_out(server: Server) -> None:
    assert len(ColBERTv2(server.url)("a\ud800b", k=1)) == 1


def test_an_empty_answer_is_not_kept(server: Server) -> None:
    server.failures = [(200, b'{"topk": []}')]
    client = ColBERTv2(server.url)
    assert client("q", k=2) == [] and len(client("q", k=2)) == 2


def test_many_threads_and_many_tasks_get_their_own_answers(server: Server) -> None:
    def answer(self: Handler, method: str, query: str, k: int) -> None:
        body = json.dumps({"topk": [{"text": f"about {query}", "score": 1}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    server.RequestHandlerClass = type("Echo", (Handler,), {"answer": answer})
    client, found = ColBERTv2(server.url, post_requests=True, caching=False), dict[str, str]()
    queries = [f"query {n}" for n in range(40)]
    threads = [threading.Thread(target=lambda q=q: found.__setitem__(q, client(q)[0].text)) for q in queries]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def tasks() -> list[Any]:
        return await asyncio.gather(*(client.acall(query) for query in queries))

    assert found == {query: f"about {query}" for query in queries}
    assert [passages[0].text for passages in asyncio.run(tasks())] == [f"about {query}" for query in queries]
