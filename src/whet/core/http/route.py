"""Where a URL leads: host, port, TLS or not, through which proxy, and what the request line says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from whet.core.http.guard import is_loopback
from whet.core.http.proxy import Proxies, Proxy
from whet.errors import ConfigurationError

__all__ = ["Route", "route_of", "shown"]

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<user>[^/?#@]*@)?(?P<host>\[[0-9a-f:.]+\]|[^/?#@:\[\]\\]+)(?::(?P<port>\d{0,5}))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.IGNORECASE,
)
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One URL, read. Compared by identity: a pool keeps one per URL, and what is derived from it is kept by it.

    `line` stands in the request line (absolute for a plain proxy), `authority` in the host header, `where` names the other side in errors;
    connections with the same `key` are interchangeable.
    """

    host: str
    port: int
    tls: bool
    authority: str
    line: str
    proxy: Proxy | None
    where: str
    key: str

    @property
    def dial(self) -> tuple[str, int]:
        """The host and port of the first hop."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)

    @property
    def proxy_header(self) -> str:
        """The proxy's credentials where they go with each request; a tunnel sends them once, when it is dug."""
        return self.proxy.authorization if self.proxy and not self.tls else ""

    def tunnel(self) -> bytes:
        """The CONNECT request that digs a tunnel through the proxy."""
        peer = _peer(self.host, self.port)
        secret = f"proxy-authorization: {self.proxy.authorization}\r\n" if self.proxy and self.proxy.authorization else ""
        return f"CONNECT {peer} HTTP/1.1\r\nhost: {peer}\r\n{secret}\r\n".encode("latin-1")


def shown(url: str) -> str:
    """A URL as it may stand in an error or a log: without user, query and fragment.

    >>> shown("https://me:pw@host/v1/x?key=secret#a")
    'https://host/v1/x'
    """
    return re.sub(r"//[^/?#]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])


def route_of(url: str, proxies: Proxies) -> Route:
    """Read `url`. Raises `ConfigurationError` if it is no http(s) URL or holds a space, a line break or a user name.

    >>> route = route_of("https://Example.com/v1?x=1", Proxies.none())
    >>> route.where, route.line, route.authority
    ('example.com:443', '/v1?x=1', 'example.com')
    """
    found = None if _UNSAFE.search(url) else _URL.fullmatch(url)
    if found is None:
        raise ConfigurationError(
            f"{shown(url)!r} is not a URL that can be called: expected http(s)://host[:port]/path without spaces or line breaks "
            "(write those as %20)."
        )
    if found["user"]:
        raise ConfigurationError(f"The URL {shown(url)!r} holds a user name or password. Send it as an `authorization` header instead.")
    tls = found["scheme"].lower() == "https"
    host, default = _ascii_host(found["host"]), 443 if tls else 80
    port = int(found["port"] or default)
    if not 0 < port < 65536:
        raise ConfigurationError(f"The URL {shown(url)!r} names port {port}; ports go from 1 to 65535.")
    path = _ascii_path((found["path"] or "/") + (found["query"] or ""))
    peer = _peer(host, port)
    authority = peer.removesuffix(f":{port}") if port == default else peer
    proxy = None if is_loopback(host) else proxies.for_host(tls=tls, host=host, port=port)
    where = f"{peer} (through the proxy {proxy.where})" if proxy else peer
    if proxy and not tls:
        line, key = f"http://{authority}{path}", f"http {proxy.where} {proxy.authorization}"
    else:
        line, key = path, f"{tls} {where}"
    return Route(host=host, port=port, tls=tls, authority=authority, line=line, proxy=proxy, where=where, key=key)


def _peer(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ascii_host(host: str) -> str:
    host = host.strip("[]").lower()
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ConfigurationError(f"The host name {host!r} cannot be written in ASCII (IDNA): check its spelling.") from error


def _ascii_path(path: str) -> str:
    return path if path.isascii() else "".join(chr(b) if b < 128 else f"%{b:02X}" for b in path.encode())
