"""`ColBERTv2`: the client of a late-interaction search server over HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from whet.core.context import current
from whet.core.flow import Flow, Gather, Send, Sleep, adrive, drive
from whet.core.http import HttpRequest, HttpResponse
from whet.core.http.route import shown
from whet.errors import (
    ConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMUnexpectedError,
)
from whet.lm.budget import seconds_left
from whet.lm.pace import LONGEST_PATIENCE
from whet.lm.retry import is_worth_a_retry
from whet.lm.store import CacheStore
from whet.lm.wire.errors import error_from
from whet.lm.wrapping import cache_mode, store_in_force
from whet.retrieve.passage import Passage, check_queries

__all__ = ["ColBERTv2"]

_SIDE_BY_SIDE = 8
_KINDS = {408: LMTimeoutError, 429: LMRateLimitError, 504: LMTimeoutError}
Rows = list[dict[str, Any]]


class ColBERTv2:
    """Searches by a ColBERTv2 server (Santhanam et al. 2022): `GET {url}?query=...&k=...`, or with `post_requests` a POST of JSON.

    `port` becomes that of the URL. An answer is `{"topk": [{"text", "pid", "rank", "score", "prob"}, ...]}`. A call that fails on the way
    or with 429 or 5xx is repeated up to `num_retries` times, after as long as the server says; then its error is raised (an `LMError`, so
    that an evaluation counts it as a failure of the infrastructure). Answers are kept in whet's cache, since optimizers ask the same again
    and again, unless `caching` is false or the cache is switched off.

    >>> import threading
    >>> from http.server import BaseHTTPRequestHandler, HTTPServer
    >>> class Castles(BaseHTTPRequestHandler):
    ...     def do_GET(self):
    ...         self.send_response(200)
    ...         self.end_headers()
    ...         self.wfile.write(b'{"topk": [{"text": "Kinnairdy Castle | A tower house.", "pid": 7, "rank": 1, "score": 20.1}]}')
    ...     def log_message(self, *told): pass
    >>> with HTTPServer(("127.0.0.1", 0), Castles) as server:
    ...     threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    ...     passages = ColBERTv2(url="http://127.0.0.1/wiki17_abstracts", port=server.server_port)("David Gregory", k=1)
    ...     server.shutdown()
    >>> passages[0]["text"]
    'Kinnairdy Castle | A tower house.'
    """

    def __init__(
        self,
        url: str = "http://0.0.0.0",
        port: str | int | None = None,
        post_requests: bool = False,
        *,
        timeout: float | None = 30.0,
        num_retries: int = 2,
        caching: bool = True,
    ) -> None:
        if not isinstance(url, str):
            raise ConfigurationError(f"`url` is {url!r}; give the address of the search server: 'http://host/wiki17_abstracts'.")
        self.url = _at_port(url, port) if port else url
        self.post_requests, self.timeout, self.num_retries, self.caching = post_requests, timeout, num_retries, caching

    def __call__(self, query: str, k: int = 10, simplify: bool = False) -> Any:
        """The `k` best passages, a list of `Passage`; with `simplify` their texts."""
        check_queries([query], k)
        return _shaped(drive(self.flow(query, k)), simplify)

    async def acall(self, query: str, k: int = 10, simplify: bool = False) -> Any:
        """The same, awaited."""
        check_queries([query], k)
        return _shaped(await adrive(self.flow(query, k)), simplify)

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best passages, asked side by side, each query once."""
        check_queries(queries, k)
        distinct = list(dict.fromkeys(queries))
        found = dict(zip(distinct, drive(self._all(distinct, k)), strict=True))
        return [[Passage(row) for row in found[query]] for query in queries]

    def flow(self, query: str, k: int) -> Flow[list[Passage]]:
        """One query, answered."""
        mode = cache_mode(self.caching, current().cache_mode)
        store = None if mode == "off" else store_in_force()
        key = self._key(query, k)
        rows = _kept(store, key) if store is not None and mode != "refresh" else None
        if rows is None:
            rows = yield from self._ask(query, k)
            if rows and store is not None and mode != "read":  # nothing found may be an index that is not loaded yet
                store.put(key, json.dumps({"topk": rows}))
        return [Passage(row) for row in rows]

    def _all(self, queries: list[str], k: int) -> Flow[list[list[Passage]]]:
        jobs = [partial(self.flow, query, k) for query in queries]
        answers: list[Any] = yield Gather(jobs, limit=min(_SIDE_BY_SIDE, len(queries)) or 1)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    def _key(self, query: str, k: int) -> bytes:
        asked = f"search\n{'POST' if self.post_requests else 'GET'} {self.url}\n{k}\n{query}"
        return blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _ask(self, query: str, k: int) -> Flow[Rows]:
        attempt = 0
        while True:
            try:
                response = yield Send(self._request(query, k))
                return self._read(response, k)
            except LMError as error:
                delay = 0.2 * 4**attempt if error.retry_after is None else error.retry_after
                left = seconds_left()
                longest = LONGEST_PATIENCE if left is None else min(left, LONGEST_PATIENCE)
                if attempt >= self.num_retries or not is_worth_a_retry(error) or delay > longest:
                    raise
            yield Sleep(delay)
            attempt += 1

    def _request(self, query: str, k: int) -> HttpRequest:
        if self.post_requests:
            body = json.dumps({"query": query, "k": k}).encode()
            return HttpRequest(url=self.url, headers={"content-type": "application/json; charset=utf-8"}, body=body, timeout=self.timeout)
        mark = "&" if "?" in self.url else "?"
        asked = urlencode({"query": query, "k": k}, errors="replace")
        return HttpRequest(url=f"{self.url}{mark}{asked}", method="GET", timeout=self.timeout)

    def _read(self, response: HttpResponse, k: int) -> Rows:
        where = f"The search server at `{shown(self.url)}`"
        if response.status != 200:
            raise self._refusal(where, response)
        try:
            rows = _rows(json.loads(response.body))
        except (ValueError, RecursionError) as error:
            kind = "JSON in UTF-8" if isinstance(error, UnicodeDecodeError) else "JSON"
            raise LMUnexpectedError(f"{where} did not answer with {kind}, but with {self._told(response)!r}. Is the URL right?") from error
        if rows is None:
            said = f" It said: {self._told(response)!r}." if b'"message"' in response.body or b'"error"' in response.body else ""
            raise LMUnexpectedError(
                f"{where} answered without a list `topk` of passages with `text`, and scores that are numbers.{said}",
            )
        return rows[:k]

    def _refusal(self, where: str, response: HttpResponse) -> LMError:
        status, told = response.status, response.headers.get("location")
        kind = _KINDS.get(status, LMServerError if status >= 500 else LMInvalidRequestError)
        said = f"status {status}: {self._told(response)!r}"
        if 300 <= status < 400:
            there = shown(told) if told else "another place, without saying which"
            said = f"status {status} and redirects to {there}. Give the address that it has now as `url=`"
        waits = error_from(status, response.headers, b"").retry_after
        return kind(f"{where} answered with {said}", status=status, retry_after=waits)

    def _told(self, response: HttpResponse) -> str:
        """What the server says, without the keys that the URL may hold."""
        secrets = [value for _, value in parse_qsl(urlsplit(self.url).query) if len(value) > 3]
        return error_from(response.status, response.headers, response.body, secrets=secrets).message[:200]


def _at_port(url: str, port: str | int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}")) if parts.netloc else f"{url}:{port}"


def _kept(store: CacheStore, key: bytes) -> Rows | None:
    text = store.get(key)
    try:
        return None if text is None else _rows(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _rows(answer: Any) -> Rows | None:
    """The passages of an answer, their scores as numbers; `None` if that is not what it holds."""
    rows = answer.get("topk") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        return None
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.setdefault("text", row.get("long_text")), str):
            return None
        if row.get("score") is not None:
            try:
                row["score"] = float(row["score"])
            except (TypeError, ValueError):
                return None
            if not isfinite(row["score"]):
                return None
    return rows


def _shaped(passages: list[Passage], simplify: bool) -> Any:
    return [passage.long_text for passage in passages] if simplify else passages
