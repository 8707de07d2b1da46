"""URLs, headers, proxies of the environment, the fence, and what an import costs: everything before a socket is opened."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from threading import Thread

import pytest

from whet.core.http import HttpRequest, HttpResponse, Pool, everywhere, forbid_remote
from whet.core.http.message import encode
from whet.core.http.proxy import Proxies, Proxy
from whet.core.http.route import route_of
from whet.errors import ConfigurationError, LMTransportError

Call = Callable[[HttpRequest], HttpResponse]


@pytest.mark.parametrize(
    "url, where, authority, line",
    [
        ("http://a.b", "a.b:80", "a.b", "/"),
        ("HTTPS://A.b:8443/x?y=/&z#f", "a.b:8443", "a.b:8443", "/x?y=/&z"),
        ("http://[::1]:8000/v1", "[::1]:8000", "[::1]:8000", "/v1"),
        ("https://[2001:db8::1]/", "[2001:db8::1]:443", "[2001:db8::1]", "/"),
        ("http://a.b:80?q", "a.b:80", "a.b", "/?q"),
        ("http://bücher.example/ü?ö", "xn--bcher-kva.example:80", "xn--bcher-kva.example", "/%C3%BC?%C3%B6"),
    ],
)
def test_a_url_is_read(url: str, where: str, authority: str, line: str) -> None:
    route = route_of(url, Proxies.none())
    assert (route.where, route.authority, route.line) == (where, authority, line)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://a/", "http://", "http:///x", "http://a:b/", "http://a:0/", "http://a:65536/", "http://a/\r\nx: y",
     "http://a/ b", "http://a\\@b/", "http://me:pw@a/", "http://a\x00/", "//a/b", "http://a:99999999/"],
)  # fmt: skip
def test_a_url_that_cannot_be_called_is_refused_before_any_io(call: Call, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call(HttpRequest(url=url + "?key=secret"))
    assert "secret" not in str(caught.value) and "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "name, value",
    [("x-a", "b\r\nevil: 1"), ("x-a", "b\n"), ("x-a", "\x00"), ("x-a", "日本"), ("x a", "b"), ("x-a:", "b"), ("", "b"),
     ("content-length", "5"), ("Transfer-Encoding", "chunked"), ("x-a", 5)],
)  # fmt: skip
def test_a_header_that_could_smuggle_is_refused_before_any_io(call: Call, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call(HttpRequest(url="http://192.0.2.1/", headers={name: value}))
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("method", ["GET /x HTTP/1.1\r\nh: v", "", "G T"])
def test_a_method_that_could_smuggle_is_refused(call: Call, method: str) -> None:
    with pytest.raises(ConfigurationError, match="not a word"):
        call(HttpRequest(url="http://192.0.2.1/", method=method))


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_that_makes_no_sense_is_refused(call: Call, timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="positive number"):
        call(HttpRequest(url="http://192.0.2.1/", timeout=timeout))


def test_own_headers_win_over_ours() -> None:
    route = route_of("http://a/", Proxies.none())
    text = encode(HttpRequest(url="http://a/", method="GET", headers={"User-Agent": "mine", "Host": "other"}), route)
    assert text == b"GET / HTTP/1.1\r\nhost: other\r\nuser-agent: mine\r\naccept: */*\r\n\r\n"


def test_representations_hold_no_secret() -> None:
    request = HttpRequest(url="https://a/v1?key=secret", headers={"authorization": "secret"}, body=b"secret")
    assert "secret" not in repr(request) and "secret" not in repr(HttpResponse(200, {"set-cookie": "secret"}, b"secret"))


# Proxies -------------------------------------------------------------------------------------------------------------------------------


def test_lower_case_wins_and_all_proxy_fills_in() -> None:
    proxies = Proxies.of({"http_proxy": "a:1", "HTTP_PROXY": "b:2", "ALL_PROXY": "http://u:p%40@c:3/"})
    assert proxies.for_host(tls=False, host="x", port=80) == Proxy("a", 1)
    assert proxies.for_host(tls=True, host="x", port=443) == Proxy("c", 3, "Basic dTpwQA==")


def test_a_cgi_request_cannot_set_the_proxy() -> None:
    assert Proxies.of({"REQUEST_METHOD": "GET", "HTTP_PROXY": "evil:1"}).for_host(tls=False, host="x", port=80) is None


@pytest.mark.parametrize(
    "exempt, host, port, expected",
    [
        ("*", "a.b", 80, True),
        ("b", "a.b", 80, True),
        (".b", "a.b", 80, True),
        ("*.b", "a.b", 80, True),
        ("b", "ab", 80, False),
        ("a.b:80", "a.b", 80, True),
        ("a.b:81", "a.b", 80, False),
        ("x, A.B", "a.b", 80, True),
        ("10.0.0.0/8", "10.2.3.4", 80, True),
        ("10.0.0.0/8", "11.2.3.4", 80, False),
        ("fd00::/8", "fd00::1", 80, True),
        ("fd00::1", "fd00::1", 80, True),
        ("10.0.0.0/8", "a.b", 80, False),
        ("", "a.b", 80, False),
    ],
)
def test_no_proxy(exempt: str, host: str, port: int, expected: bool) -> None:
    proxies = Proxies.of({"ALL_PROXY": "p:1", "NO_PROXY": exempt})
    assert (proxies.for_host(tls=False, host=host, port=port) is None) is expected


@pytest.mark.parametrize("proxy", ["socks5://p:1", "https://p:1", "http://", "a b"])
def test_a_proxy_of_another_kind_is_refused_when_needed(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    pool = Pool()
    with pytest.raises(ConfigurationError, match="ALL_PROXY"):
        pool.send(HttpRequest(url="http://192.0.2.1/"))
    with pytest.raises(LMTransportError, match="Nothing listens"):
        pool.send(HttpRequest(url="http://127.0.0.1:9/"))


# The fence -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["192.0.2.1", "example.invalid", "127.0.0.1.example.invalid", "[2001:db8::1]", "0.0.0.0"])
def test_the_fence_stops_remote_calls_before_any_lookup(call: Call, host: str) -> None:
    token = forbid_remote.set(True)
    try:
        with pytest.raises(LMTransportError, match="real calls are forbidden here"):
            call(HttpRequest(url=f"https://{host}/"))
        with pytest.raises(LMTransportError, match="Nothing listens"):
            call(HttpRequest(url="http://127.0.0.1:9/"))
    finally:
        forbid_remote.reset(token)


def test_the_fence_can_stand_in_every_thread(pool: Pool) -> None:
    caught: list[str] = []

    def work() -> None:
        try:
            pool.send(HttpRequest(url="https://192.0.2.1/"))
        except LMTransportError as error:
            caught.append(str(error))

    everywhere.up = True
    try:
        thread = Thread(target=work)
        thread.start()
        thread.join()
    finally:
        everywhere.up = False
    assert "192.0.2.1:443 was stopped" in caught[0]


# Imports -------------------------------------------------------------------------------------------------------------------------------


def imported_after(code: str) -> set[str]:
    found = subprocess.run([sys.executable, "-c", code + "\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_an_import_and_a_plain_blocking_call_need_neither_asyncio_nor_ssl() -> None:
    heavy = {"asyncio", "ssl", "zlib", "urllib.parse", "http.client", "ipaddress", "pydantic"}
    before = imported_after("")
    assert not (imported_after("import whet.core.http") - before) & {*heavy, "socket", "whet.core.http.pool"}
    used = imported_after(
        "from whet.core.http import HttpRequest, send\n"
        "try: send(HttpRequest(url='http://127.0.0.1:9/'))\nexcept Exception as e: assert 'Nothing listens' in str(e), e"
    )
    assert not (used - before) & heavy
    assert "whet.core.http.blocking" in used


def test_an_awaiting_call_needs_no_ssl_of_ours() -> None:
    used = imported_after("import whet.core.http.looping")
    assert "whet.core.http.tls" not in used
