"""A live one-line display on a terminal; silent everywhere else."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

__all__ = ["Line", "Progress"]

_EVERY = 0.1
# So many rows, or one in so many, say how long the rest will take.
_TELLING = 20


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks: a service has no stream at all, or a closed one."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def fitting(text: str, stream: TextIO) -> str:
    """What of a text fits into one line of the terminal: a longer one would go on in the next line, and stay there."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return text
    return text if len(text) < columns or columns < 2 else text[: columns - 2] + "…"


class Progress:
    """One line that is rewritten as rows finish: how many, the mean so far, failures, time left."""

    def __init__(self, total: int, shown: bool, label: str = "Evaluating") -> None:
        self.total, self.label = total, label
        self.stream = sys.stderr
        self.shown = shown and is_terminal(self.stream)
        self.count = 0
        self.started = self.drawn = time.monotonic()
        self.width = 0

    def step(self, mean: float | None, failed: int) -> None:
        """One more row is done."""
        self.count += 1
        if not self.shown:
            return
        now = time.monotonic()
        if now - self.drawn >= _EVERY or self.count == self.total:
            self.drawn = now
            self._draw(mean, failed, now - self.started)

    def _draw(self, mean: float | None, failed: int, seconds: float) -> None:
        score = "" if mean is None else f"  mean {100 * mean:.1f} %"
        trouble = f"  {failed} failed" if failed else ""
        line = f"{self.label} {self.count}/{self.total}{score}{trouble}  {seconds:.0f} s{self._left(seconds)}"
        line = fitting(line, self.stream)
        self.stream.write("\r" + line.ljust(self.width))
        self.stream.flush()
        self.width = len(line)

    def _left(self, seconds: float) -> str:
        """The time left, once the first rows, which also load and connect, say little of it."""
        if self.count < min(_TELLING, self.total / _TELLING) or self.count == self.total:
            return ""
        return f", {seconds / self.count * (self.total - self.count):.0f} s left"

    def close(self) -> None:
        """End the line."""
        if self.shown and self.width:
            self.stream.write("\n")
            self.stream.flush()

    @staticmethod
    def write(text: str) -> None:
        """Print a text that somebody asked for; signs that the terminal's encoding lacks as their numbers."""
        if sys.stdout is None:  # a service, which nobody looks at
            return
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


class Line:
    """One line on a terminal that is rewritten, ten times a second at most."""

    def __init__(self, shown: bool) -> None:
        self.stream = sys.stderr
        self.shown = shown and is_terminal(self.stream)
        self.drawn = 0.0
        self.width = 0

    def show(self, text: str) -> None:
        """Show this text now, unless another one was just shown."""
        now = time.monotonic()
        if self.shown and now - self.drawn >= _EVERY:
            self.drawn, text = now, fitting(text, self.stream)
            self.stream.write("\r" + text.ljust(self.width))
            self.stream.flush()
            self.width = len(text)

    def close(self) -> None:
        """End the line."""
        if self.shown and self.width:
            self.stream.write("\n")
            self.stream.flush()
