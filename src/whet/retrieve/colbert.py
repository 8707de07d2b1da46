"""`ColBERTv2`: the client of a late-interaction search server over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from whet.core.flow import Flow, Send, Sleep, adrive, drive
from whet.core.http import HttpRequest, HttpResponse
from whet.errors import (
    ConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMUnexpectedError,
    is_retryable_lm_error,
)
from whet.lm.wire.errors import retry_after
from whet.retrieve.passage import Passage, check_queries

__all__ = ["ColBERTv2"]

_KEPT = 10_000


class ColBERTv2:
    """Searches by a ColBERTv2 server (Santhanam et al. 2022): `GET {url}?query=...&k=...`, or with `post_requests` a POST of JSON.

    `port` is added to the URL. An answer is `{"topk": [{"text", "pid", "rank", "score", "prob"}, ...]}`. A call that fails on the way or
    with 429 or 5xx is repeated up to `num_retries` times; then its error is raised (an `LMError`, so that an evaluation counts it as a
    failure of the infrastructure). Answers are kept per client (10,000 queries), since optimizers ask the same again and again.

    As in: `[x["text"] for x in ColBERTv2(url="http://host/wiki17_abstracts")("David Gregory", k=3)]`.
    """

    def __init__(
        self,
        url: str = "http://0.0.0.0",
        port: str | int | None = None,
        post_requests: bool = False,
        *,
        timeout: float | None = 30.0,
        num_retries: int = 2,
    ) -> None:
        if not isinstance(url, str):
            raise ConfigurationError(f"`url` is {url!r}; give the address of the search server: 'http://host/wiki17_abstracts'.")
        self.url = f"{url}:{port}" if port else url
        self.post_requests, self.timeout, self.num_retries = post_requests, timeout, num_retries
        self._known: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def __call__(self, query: str, k: int = 10, simplify: bool = False) -> Any:
        """The `k` best passages, a list of `Passage`; with `simplify` their texts."""
        check_queries([query], k)
        return _shaped(drive(self.flow(query, k)), simplify)

    async def acall(self, query: str, k: int = 10, simplify: bool = False) -> Any:
        """The same, awaited."""
        check_queries([query], k)
        return _shaped(await adrive(self.flow(query, k)), simplify)

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query the `k` best passages, asked one after the other."""
        check_queries(queries, k)
        return [drive(self.flow(query, k)) for query in queries]

    def flow(self, query: str, k: int) -> Flow[list[Passage]]:
        """One query, answered."""
        with self._lock:
            known = self._known.get((query, k))
        if known is None:
            known = yield from self._ask(query, k)
            with self._lock:
                if len(self._known) >= _KEPT:
                    del self._known[next(iter(self._known))]
                self._known[(query, k)] = known
        return [Passage(row) for row in known]

    def _ask(self, query: str, k: int) -> Flow[list[dict[str, Any]]]:
        attempt = 0
        while True:
            try:
                response = yield Send(self._request(query, k))
                return self._read(response, k)
            except LMError as error:
                if attempt == self.num_retries or not is_retryable_lm_error(error):
                    raise
                delay = error.retry_after
            yield Sleep(min(10.0, delay or 0.2 * 4**attempt))
            attempt += 1

    def _request(self, query: str, k: int) -> HttpRequest:
        if self.post_requests:
            body = json.dumps({"query": query, "k": k}).encode()
            return HttpRequest(url=self.url, headers={"content-type": "application/json; charset=utf-8"}, body=body, timeout=self.timeout)
        mark = "&" if "?" in self.url else "?"
        return HttpRequest(url=f"{self.url}{mark}{urlencode({'query': query, 'k': k})}", method="GET", timeout=self.timeout)

    def _read(self, response: HttpResponse, k: int) -> list[dict[str, Any]]:
        where = f"The search server at `{self.url}`"
        if response.status != 200:
            shown = response.body[:200].decode(errors="replace")
            raise _error(response.status)(
                f"{where} answered with status {response.status}: {shown!r}",
                status=response.status,
                retry_after=retry_after(response.headers),
            )
        try:
            answer = json.loads(response.body)
        except (ValueError, RecursionError) as error:
            raise LMUnexpectedError(f"{where} did not answer with JSON, but with {response.body[:80]!r}. Is the URL right?") from error
        rows = answer.get("topk") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("text"), str) for row in rows):
            message = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
            said = f" It said: {str(message)[:200]!r}." if message else ""
            raise LMUnexpectedError(f"{where} answered without a list `topk` of passages with `text`.{said}")
        return rows[:k]


def _shaped(passages: list[Passage], simplify: bool) -> Any:
    return [passage.long_text for passage in passages] if simplify else passages


def _error(status: int) -> type[LMError]:
    if status == 429:
        return LMRateLimitError
    return LMServerError if status >= 500 else LMInvalidRequestError
