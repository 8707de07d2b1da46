"""The live line stays one line, however narrow the terminal is."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from whet.evaluate.progress import Line, Progress


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Both ends of a real terminal of 40 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield master, stream
    os.close(master)


def test_a_long_line_is_cut_to_the_terminal(terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    master, stream = terminal

    def shown() -> list[str]:
        assert select.select([master], [], [], 5)[0]
        return os.read(master, 10_000).decode().split("\r")

    monkeypatch.setattr(sys, "stderr", stream)
    Line(True).show("x" * 100)
    assert shown() == ["", "x" * 38 + "…"]
    Line(True).show("short")
    assert shown() == ["", "short"]
    Progress(1, True, label="Evaluating the whole of it with much to say").step(0.5, 0)
    assert [len(text) for text in shown()] == [0, 39]
