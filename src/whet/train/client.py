"""Calls of a service's training API: the address and credentials of the model itself, errors as whet's, patience where it helps."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from whet.core.http import HttpRequest, HttpResponse, Pool, send
from whet.core.wording import a_kind
from whet.errors import LMError, LMUnexpectedError, LMUnsupportedModelError, is_retryable_lm_error
from whet.lm.facts import facts_of, provider_of
from whet.lm.site.table import site_of
from whet.lm.wire.errors import error_from

__all__ = ["Client", "multipart"]

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
TRIES: Final = 6


class Client:
    """Speaks with one service. `pause(seconds)` waits, and raises when the job was cancelled meanwhile; `delay` is the first wait."""

    def __init__(self, lm: Any, pause: Callable[[float], None], *, delay: float = FIRST_DELAY) -> None:
        facts = facts_of(lm.model, lm.price, lm.capabilities)
        self.model, self.provider = lm.model, facts.provider
        self.site = site_of(provider_of(facts.provider), facts, lm.access)
        self.root: str | None = None
        self.delay = delay
        self.timeout = lm.access.timeout
        self.pause = pause

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Ask, again and again where that may help."""
        return self.patient("GET", f"{path}?{urlencode(query)}" if query else path)

    def maybe(self, path: str) -> dict[str, Any] | None:
        """Ask for something that may not be there."""
        try:
            return self.get(path)
        except LMUnsupportedModelError:
            return None

    def patient(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """An exchange that changes nothing when it is repeated: rate limits, server errors and broken connections are waited out."""
        return self._patiently(lambda: self.once(method, path, body, headers), is_retryable_lm_error)

    def _patiently(self, exchange: Callable[[], dict[str, Any]], may_repeat: Callable[[LMError], bool]) -> dict[str, Any]:
        delay = self.delay
        for left in range(TRIES - 1, -1, -1):
            try:
                return exchange()
            except LMError as error:
                if not left or not may_repeat(error):
                    raise
                self.pause(min(delay if error.retry_after is None else error.retry_after, LONGEST_DELAY))
                delay *= 2
        raise AssertionError("the last try returns or raises")

    def once(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One exchange. Raises an `LMError` for whatever is no JSON object."""
        given = {"content-type": "application/json", **(headers or {})} if body else dict(headers or {})
        url, signed = self.site.address(path, given, body)
        if self.root is not None:
            url = self.root + path
        answer = self._sent(HttpRequest(url=url, method=method, headers=signed, body=body, timeout=self.timeout))
        if answer.status >= 300:
            raise error_from(answer.status, answer.headers, answer.body, model=self.model, provider=self.provider)
        try:
            found = json.loads(answer.body or b"{}")
        except ValueError as error:
            raise LMUnexpectedError(f"The service answered with no JSON: {answer.body[:200]!r}", model=self.model) from error
        if not isinstance(found, dict):
            raise LMUnexpectedError(f"The service answered with {a_kind(found)}, not an object.", model=self.model)
        return found

    @staticmethod
    def _sent(request: HttpRequest) -> HttpResponse:
        # A kept-alive connection that turns out to be closed is silently tried anew, which may make a job twice; a new one is not.
        if request.method == "GET":
            return send(request)
        pool = Pool()
        try:
            return pool.send(request)
        finally:
            pool.close()

    def post(self, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Send JSON once. Only a rate limit is waited out here: after anything else nobody knows whether it was done."""
        body = json.dumps(values).encode()
        return self._patiently(lambda: self.once("POST", path, body), lambda error: error.status == 429)


def multipart(fields: Mapping[str, str], name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with one file in it: the body and its content type."""
    mark = f"whet-{uuid.uuid4().hex}"
    parts = [f'--{mark}\r\ncontent-disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    head = f'--{mark}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\ncontent-type: application/jsonl\r\n\r\n'
    body = b"".join([*parts, head.encode(), content, f"\r\n--{mark}--\r\n".encode()])
    return body, {"content-type": f"multipart/form-data; boundary={mark}"}
