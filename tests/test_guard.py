"""The tests' own walls hold: no socket leaves this machine, no key of the machine is seen."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import pytest
from sitecustomize import OutsideLoopbackError


def test_a_connection_to_another_machine_is_refused_before_a_packet_leaves() -> None:
    with socket.socket() as s, pytest.raises(OutsideLoopbackError, match="192.0.2.1"):
        s.connect(("192.0.2.1", 80))


def test_a_name_of_another_machine_is_not_looked_up() -> None:
    with pytest.raises(OutsideLoopbackError, match="example.com"):
        socket.getaddrinfo("example.com", 443)


def test_asyncio_is_held_too() -> None:
    async def go() -> None:
        await asyncio.open_connection("192.0.2.1", 80)

    with pytest.raises(OutsideLoopbackError):
        asyncio.run(go())


def test_listening_to_the_world_is_refused() -> None:
    with socket.socket() as s, pytest.raises(OutsideLoopbackError, match="127.0.0.1 only"):
        s.bind(("0.0.0.0", 0))


def test_loopback_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"hello")
        peer, _ = server.accept()
        with peer:
            assert peer.recv(5) == b"hello"


def test_processes_that_tests_start_are_held() -> None:
    code = "import socket; socket.socket().connect(('192.0.2.1', 80))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "OutsideLoopbackError" in done.stderr


def test_no_key_and_no_home_of_this_machine_is_seen() -> None:
    assert not [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE"))]
    assert "whet-tests-" in os.environ["HOME"]
    assert "whet-tests-" in os.environ["WHET_CACHE_DIR"]
