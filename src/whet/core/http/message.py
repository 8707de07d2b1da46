"""What is sent and what comes back: `HttpRequest`, `HttpResponse`, and the bytes of a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from whet.core.http.route import Route, shown
from whet.errors import ConfigurationError

__all__ = ["HttpRequest", "HttpResponse", "encode"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CARRIES_BODY = frozenset(("POST", "PUT", "PATCH"))
_OURS = frozenset(("content-length", "transfer-encoding"))


# Not frozen, as each call makes one of both: that would double what making them costs.
@dataclass(slots=True, kw_only=True, repr=False)
class HttpRequest:
    """One request. `repr` shows the method and the URL without its query: never a header, which may hold a key.

    `timeout` is the deadline of the whole exchange in seconds (`None`: none); connecting may take at most 30 s of it. With a `sink`,
    the decoded body of a 2xx answer goes to it piece by piece as it arrives and `HttpResponse.body` stays empty; other answers are
    collected as usual. A sink that raises ends the exchange: the connection is closed and the caller gets the sink's exception. While a
    blocking exchange hears nothing, `glance` is called ten times a second; it may raise to the same effect.

    >>> HttpRequest(url="http://localhost:8000/v1/models?key=secret", method="GET")
    HttpRequest(GET 'http://localhost:8000/v1/models')
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float | None = 600.0
    sink: Callable[[bytes], None] | None = None
    glance: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {shown(self.url)!r})"


@dataclass(slots=True)
class HttpResponse:
    """A whole answer: its status, its headers under lower-case names (repeated ones joined by `", "`), its decoded body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def encode(request: HttpRequest, route: Route) -> bytes:
    """The bytes to send. Raises `ConfigurationError` for a method or header that could smuggle something into the connection.

    >>> from whet.core.http.proxy import Proxies
    >>> from whet.core.http.route import route_of
    >>> route = route_of("http://localhost:8000/v1", Proxies.none())
    >>> encode(HttpRequest(url="", headers={"X-A": "1"}, body=b"{}"), route).decode().splitlines()[:3]
    ['POST /v1 HTTP/1.1', 'host: localhost:8000', 'x-a: 1']
    """
    head = _head(request.method, route, tuple(request.headers.items()))
    body = request.body
    if body or request.method in _CARRIES_BODY:
        return _Hidden(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
    return _Hidden(head + b"\r\n")


class _Hidden(bytes):
    """The bytes of a request, headers with their keys included: tools that print the local variables of a traceback see its length."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes of a request>"


@lru_cache(maxsize=256)
def _head(method: str, route: Route, headers: tuple[tuple[str, str], ...]) -> bytes:
    """All but the content length; the same for every call of one model, hence kept."""
    if not _TOKEN.fullmatch(method):
        raise ConfigurationError(f"The HTTP method {method!r} is not a word. Use GET, POST, PUT, PATCH, DELETE or HEAD.")
    lines: dict[str, str] = {"host": route.authority}
    for name, value in headers:
        lines[_checked_name(name)] = _checked_value(name, value)
    lines.setdefault("user-agent", "whet")
    lines.setdefault("accept", "*/*")
    if route.proxy_header:
        lines.setdefault("proxy-authorization", route.proxy_header)
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {route.line} HTTP/1.1\r\n{text}".encode("latin-1")


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ConfigurationError(f"The HTTP header name {name!r} holds characters that no header name may have.")
    low = name.lower()
    if low in _OURS:
        raise ConfigurationError(f"The HTTP header {low!r} is written by whet itself from the body. Leave it out.")
    return low


def _checked_value(name: str, value: str) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ConfigurationError(
            f"The value of the HTTP header {name!r} (not shown, it may be secret) holds a line break, another control character or one "
            "outside latin-1. Is there a stray newline at the end of a key read from a file? Strip it."
        )
    return value.strip(" \t")
