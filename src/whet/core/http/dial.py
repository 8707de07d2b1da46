"""Which addresses to try for a host, for how long each, and the tunnel through a proxy: what both drivers do alike."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, TypeAlias

from whet.core.http import fault
from whet.core.http.parser import AnswerReader
from whet.core.http.route import Route

__all__ = ["CONNECT_SECONDS", "Address", "Tunnel", "attempts", "spelled_out", "taken_at_once"]

CONNECT_SECONDS = 30.0
_SHARE_SECONDS = 2.0

Address: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


def spelled_out(host: str, port: int) -> list[Address]:
    """The address if `host` is one already, without asking anybody; else nothing."""
    if not (host[-1:].isdecimal() or ":" in host):
        return []
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    except OSError:
        return []


def attempts(addresses: list[Address], seconds: float) -> Iterator[tuple[Address, float]]:
    """Each address with the seconds to spend on it: families alternate, and only the last one gets all the time, so that a network
    whose IPv6 leads nowhere costs 2 s and not 30."""
    first = addresses[0][0] if addresses else None
    same = [a for a in addresses if a[0] == first]
    other = [a for a in addresses if a[0] != first]
    order = [a for pair in zip_longest(same, other) for a in pair if a is not None]
    for i, address in enumerate(order):
        yield address, seconds if i == len(order) - 1 else min(_SHARE_SECONDS, seconds)


def taken_at_once(sock: socket.socket, address: Address) -> bool:
    """Whether a server of this machine took the connection of a socket that does not block in the same breath, as Linux lets it: then
    the event loop need not be asked to wait, which is a third of what a connection costs. If not, the socket may be connected as if new."""
    host = str(address[4][0])
    if sys.platform != "linux" or not (host.startswith("127.") or host == "::1"):
        return False
    if sock.connect_ex(address[4]):
        try:
            sock.getpeername()
        except OSError:
            return False
    return True


class Tunnel(AnswerReader):
    """Reads the proxy's answer to CONNECT: complete when the way is free, `LMTransportError` if it will not be."""

    __slots__ = ()

    def __init__(self, route: Route) -> None:
        super().__init__(route.where, "CONNECT")

    def feed(self, data: bytes) -> bool:
        """Take what the proxy said."""
        if not data:
            self.end()
        if not super().feed(data):
            return False
        if not 200 <= self.status < 300:
            raise fault.refused_tunnel(self._where, self.status)
        return True
