"""The live line stays one line, however narrow the terminal is."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import select
import struct
import sys
import termios
import time
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


def test_time_left_is_told_once_rows_say_something_of_it(terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first row loads and connects: `74 s left` for what takes one second is worse than nothing."""
    master, stream = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress = Progress(40, True, label="E")
    for _ in range(40):
        progress.step(0.5, 0)
    text = ""
    while "40/40" not in text or not text.endswith(" "):
        text += os.read(master, 10_000).decode()
    lines = [line.rstrip() for line in text.split("\r")]
    assert lines[1:3] == ["E 1/40  mean 50.0 %  0 s", "E 2/40  mean 50.0 %  1 s, 19 s left"]
    assert lines[-1] == "E 40/40  mean 50.0 %  20 s"
