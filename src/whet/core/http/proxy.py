"""Proxies as the environment names them, read once: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY (lower case wins)."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass

from whet.errors import ConfigurationError

__all__ = ["Proxies", "Proxy"]

_PROXY = re.compile(
    r"(?:(?P<scheme>[a-z0-9+.-]+)://)?(?:(?P<user>[^/@]*)@)?(?P<host>\[[0-9a-f:.]+\]|[^/:@\[\]\s]+)(?::(?P<port>\d{1,5}))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the ready header value, empty if it asks for none."""

    host: str
    port: int
    authorization: str = ""

    @property
    def where(self) -> str:
        """`host:port`, for error messages."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """Which proxy serves which host. The texts are read when a host first needs them, so that a bad one harms nobody else.

    >>> proxies = Proxies.of({"https_proxy": "http://proxy:3128", "NO_PROXY": "internal.example,10.0.0.0/8"})
    >>> proxies.for_host(tls=True, host="api.example.com", port=443)
    Proxy(host='proxy', port=3128, authorization='')
    >>> proxies.for_host(tls=True, host="a.internal.example", port=443), proxies.for_host(tls=True, host="10.1.2.3", port=443)
    (None, None)
    """

    http: str = ""
    https: str = ""
    exempt: tuple[str, ...] = ()

    @classmethod
    def none(cls) -> Proxies:
        """No proxy for anybody."""
        return cls()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Proxies:
        """As the environment says. HTTP_PROXY in capitals is ignored in a CGI process, where a client's header could set it."""

        def read(name: str) -> str:
            return (environ.get(name) or environ.get(name.upper()) or "").strip()

        every = read("all_proxy")
        http = environ.get("http_proxy", "").strip() if "REQUEST_METHOD" in environ else read("http_proxy")
        exempt = tuple(word.strip().lower() for word in read("no_proxy").split(",") if word.strip())
        return cls(http=http or every, https=read("https_proxy") or every, exempt=exempt)

    def for_host(self, *, tls: bool, host: str, port: int) -> Proxy | None:
        """The proxy for a host, or `None`. Raises `ConfigurationError` for a proxy that is not plain HTTP (SOCKS, TLS to the proxy)."""
        text = self.https if tls else self.http
        if not text or any(_covers(word, host, port) for word in self.exempt):
            return None
        return _proxy(text, "HTTPS_PROXY" if tls else "HTTP_PROXY")


def _proxy(text: str, variable: str) -> Proxy:
    found = _PROXY.fullmatch(text)
    if found is None or (found["scheme"] or "http").lower() != "http":
        scheme = found["scheme"] if found else None
        raise ConfigurationError(
            f"The environment names a proxy ({variable} or ALL_PROXY) that whet cannot use"
            + (f": its scheme is {scheme!r}" if scheme else "")
            + ". Expected http://[user:password@]host:port; or exempt the host in NO_PROXY."
        )
    user = found["user"]
    secret = ""
    if user:
        secret = "Basic " + b2a_base64(_unquoted(user if ":" in user else user + ":"), newline=False).decode("ascii")
    return Proxy(found["host"].strip("[]").lower(), int(found["port"] or 80), secret)


def _unquoted(text: str) -> bytes:
    return re.sub(rb"%([0-9a-fA-F]{2})", lambda found: bytes.fromhex(found[1].decode("ascii")), text.encode())


def _covers(word: str, host: str, port: int) -> bool:
    """Whether one word of NO_PROXY exempts the host: `*`, a name with its subdomains, `name:port`, an address, or a network."""
    if word == "*":
        return True
    if "/" in word:
        return _in_network(word, host)
    name, colon, number = word.rpartition(":")
    if colon and number.isdecimal() and ":" not in name.strip("[]"):
        if int(number) != port:
            return False
        word = name
    word = word.removeprefix("*").strip("[]").lstrip(".")
    return bool(word) and (host == word or host.endswith("." + word))


def _in_network(word: str, host: str) -> bool:
    import ipaddress  # noqa: PLC0415 - only a NO_PROXY with networks needs it

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(word, strict=False)
    except ValueError:
        return False
