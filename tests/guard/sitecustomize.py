"""Keeps every socket of the tests on loopback; `conftest.py` imports it, and processes that tests start find it on PYTHONPATH."""

import ipaddress
import sys

_WATCHED = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"})


class OutsideLoopbackError(RuntimeError):
    """A test tried to reach another machine."""


def is_loopback(host: object) -> bool:
    """Whether `host` is this machine; a path, `None` or an empty host name is."""
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        text = host.decode() if isinstance(host, bytes) else str(host)
        return ipaddress.ip_address(text.split("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, args: tuple) -> None:
    if event not in _WATCHED:
        return
    where = args[0] if event.startswith("socket.get") else args[1]
    if isinstance(where, tuple) and where:  # (host, port, ...); anything else is the path of a Unix socket
        where = where[0]
    elif event.startswith("socket.get") is False:
        return
    if event == "socket.bind" and where in ("", "0.0.0.0", "::"):
        raise OutsideLoopbackError(f"{event} on {where!r}: tests listen on 127.0.0.1 only")
    if not is_loopback(where):
        raise OutsideLoopbackError(f"{event} to {where!r}: tests talk to loopback only; start a server on 127.0.0.1 instead")


if not hasattr(sys, "_whet_loopback_guard"):
    sys._whet_loopback_guard = True  # type: ignore[attr-defined]
    sys.addaudithook(_guard)
