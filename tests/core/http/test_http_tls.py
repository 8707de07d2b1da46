"""TLS with a certificate of our own, and proxies: CONNECT for https, absolute URLs for http."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.http.scripted_server import Talk, answer, echo, serving
from whet.core.http import HttpRequest, HttpResponse, Pool, route as route_module
from whet.errors import LMTransportError
from whet.lm.retry import is_worth_a_retry

Call = Callable[[HttpRequest], HttpResponse]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate for localhost and 127.0.0.1; key and certificate in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=whet test",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "both.pem").write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return folder / "both.pem"


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_calls_share_one_connection(call: Call, server_side: ssl.SSLContext, host: str) -> None:
    body = bytes(range(256)) * 4000
    with serving(echo, tls=server_side) as server:
        url = server.url.replace("127.0.0.1", host)
        for sent in (b"a", body, b"c"):
            assert call(HttpRequest(url=url, body=sent)).body == sent
        assert server.connections == 1


@pytest.mark.usefixtures("trusted")
def test_tls_streams(call: Call, server_side: ssl.SSLContext) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        talk.send(b"".join(b"1\r\n%d\r\n" % (i % 10) for i in range(50)) + b"0\r\n\r\n")

    pieces: list[bytes] = []
    with serving(script, tls=server_side) as server:
        call(HttpRequest(url=server.url, sink=pieces.append, timeout=10))
    assert b"".join(pieces) == b"x" * 10_000 + b"0123456789" * 5


def test_a_certificate_of_nobody_known_is_refused(call: Call, server_side: ssl.SSLContext) -> None:
    with serving(echo, tls=server_side) as server, pytest.raises(LMTransportError, match=r"certificate of .* not accepted .*SSL_CERT_FILE"):
        call(HttpRequest(url=server.url))


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(call: Call, server_side: ssl.SSLContext) -> None:
    with serving(echo, tls=server_side, host="127.0.0.2") as server, pytest.raises(LMTransportError, match="not accepted"):
        call(HttpRequest(url=server.url))


def test_a_certificate_that_has_expired_is_refused_once_and_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    (tmp_path / "index").touch()
    (tmp_path / "ca").write_text(
        "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\npolicy=any\n[any]\ncommonName=supplied\n"
    )
    # Newer versions of `openssl x509` and `req` make no certificate that has expired; this one makes what it is told to.
    for command in (
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=old -keyout key.pem -out old.csr",
        "ca -batch -selfsign -config ca -md sha256 -keyfile key.pem -in old.csr -extfile names -out cert.pem"
        " -startdate 20200101000000Z -enddate 20200201000000Z",
    ):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with serving(echo, tls=context) as server, pytest.raises(LMTransportError, match=r"has expired.*the clock") as caught:
        Pool().send(HttpRequest(url=server.url, headers={"authorization": "Bearer sk-canary"}, body=b"secret"))
    assert not server.requests
    assert not is_worth_a_retry(caught.value)


def test_an_authority_that_is_no_file_is_named(call: Call, server_side: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with serving(echo, tls=server_side) as server, pytest.raises(LMTransportError, match="names '/nowhere/ca.pem', and there is no such"):
        call(HttpRequest(url=server.url))


def test_tls_to_a_plain_server_names_the_mistake(call: Call) -> None:
    def script(talk: Talk) -> None:
        talk.sock.recv(100)
        talk.send(answer(b"x", status="400 Bad Request"))

    with serving(script) as server, pytest.raises(LMTransportError, match="does it speak https at all"):
        call(HttpRequest(url=server.url.replace("http:", "https:")))


# Proxies -------------------------------------------------------------------------------------------------------------------------------


def tunnelling(port: int, refuse: bytes = b"") -> Callable[[Talk], None]:
    """A CONNECT proxy that leads every tunnel to `port` on loopback, whatever host was asked for."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def script(talk: Talk) -> None:
        talk.request()
        if refuse:
            talk.send(refuse)
            return
        with socket.create_connection(("127.0.0.1", port)) as far:
            talk.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, talk.sock), daemon=True)
            back.start()
            pump(talk.sock, far)
            back.join(5)

    return script


@pytest.fixture
def nothing_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is never proxied; these tests have no other place to go."""
    monkeypatch.setattr(route_module, "is_loopback", lambda host: False)


@pytest.mark.usefixtures("trusted", "nothing_is_loopback")
@pytest.mark.parametrize("awaiting", [False, True])
def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch, server_side: ssl.SSLContext, awaiting: bool) -> None:
    with serving(echo, tls=server_side) as far, serving(tunnelling(far.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%20w@127.0.0.1:{proxy.port}")
        pool = Pool()
        request = HttpRequest(url=f"https://localhost:{far.port}/v1?x", headers={"authorization": "Bearer secret"}, body=b"hi")
        for _ in range(2):
            assert run(pool, request, awaiting).body == b"hi"
        assert [head.splitlines()[0] for head, _ in proxy.requests][0] == f"CONNECT localhost:{far.port} HTTP/1.1"
        assert "proxy-authorization: Basic dXNlcjpwIHc=" in proxy.requests[0][0] and "secret" not in proxy.requests[0][0]
        assert "proxy-authorization" not in far.requests[0][0]
        assert proxy.connections == (2 if awaiting else 1)
        pool.close()


@pytest.mark.usefixtures("nothing_is_loopback")
@pytest.mark.parametrize("awaiting", [False, True])
@pytest.mark.parametrize(
    "refusal, message",
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", "answered 407; check the user and password"),
        (b"HTTP/1.1 503 No\r\n\r\n", "answered 503"),
        (b"garbage\r\n\r\n", "no proper HTTP answer"),
        (b"HTTP/1.1 200", "closed the connection"),
    ],
)
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, awaiting: bool, refusal: bytes, message: str) -> None:
    with serving(tunnelling(0, refusal)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
        with pytest.raises(LMTransportError, match=message) as caught:
            run(Pool(), HttpRequest(url="https://api.example/"), awaiting)
    assert f"api.example:443 (through the proxy 127.0.0.1:{proxy.port})" in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.usefixtures("nothing_is_loopback")
@pytest.mark.parametrize("awaiting", [False, True])
def test_plain_http_asks_the_proxy_for_the_whole_url(monkeypatch: pytest.MonkeyPatch, awaiting: bool) -> None:
    with serving(echo) as proxy:
        monkeypatch.setenv("http_proxy", f"http://u:p@127.0.0.1:{proxy.port}")
        pool = Pool()
        assert run(pool, HttpRequest(url="http://models.example/v1?x=1", body=b"hi"), awaiting).body == b"hi"
        pool.close()
    head = proxy.requests[0][0]
    assert head.startswith("POST http://models.example/v1?x=1 HTTP/1.1\r\nhost: models.example\r\n")
    assert "proxy-authorization: Basic dTpw" in head


def test_loopback_is_never_proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://192.0.2.1:1")
    with serving(echo) as server:
        pool = Pool()
        assert pool.send(HttpRequest(url=server.url, body=b"x")).body == b"x"
        pool.close()


def run(pool: Pool, request: HttpRequest, awaiting: bool) -> HttpResponse:
    return asyncio.run(pool.asend(request)) if awaiting else pool.send(request)
