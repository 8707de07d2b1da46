"""`watch()`: everything that a program does, as typed events on one stream and as a tree of spans."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from whet.core.context import context, current
from whet.core.events import ACTIVE_CALL_ID, KINDS, BaseCallback
from whet.core.exchange import Usage
from whet.core.trace import Outputs

__all__ = ["Event", "Span", "Watch", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The start or the end of a call: of a module, lm, adapter_format, adapter_parse, tool, evaluate, compile or interpreter_*.

    `parent_id` is the call that it was made in, `time` seconds since the epoch. A start has `inputs`; an end has `outputs` or `error`, and
    `seconds`.
    """

    phase: Literal["start", "end"]
    kind: str
    name: str
    call_id: str
    parent_id: str | None
    time: float
    instance: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Any = None
    error: BaseException | None = None
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Span:
    """One call with the calls that were made in it. `seconds` is None while it is running."""

    kind: str
    name: str
    call_id: str
    parent_id: str | None
    started: float
    instance: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Any = None
    error: BaseException | None = None
    seconds: float | None = None
    children: list[Span] = field(default_factory=list)

    @property
    def usage(self) -> Usage:
        """The tokens of the model calls in it, its own included."""
        own = self.outputs.response.usage if isinstance(self.outputs, Outputs) else Usage()
        return sum((child.usage for child in self.children), own)

    def walk(self) -> Iterator[Span]:
        """The span and everything below it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The tree as text, a line per span."""
        took = "running" if self.seconds is None else f"{self.seconds * 1000:.1f} ms"
        failed = f"  {type(self.error).__name__}: {self.error}" if self.error is not None else ""
        yield f"{'  ' * depth}{self.kind} {self.name}  {took}{failed}"
        for child in self.children:
            yield from child.lines(depth + 1)


class Watch(BaseCallback):
    """What was seen: `events` in order, `spans` as trees, from all threads and tasks. Printing it shows the trees."""

    def __init__(self, on_event: Callable[[Event], Any] | None = None, keep: bool = True) -> None:
        self.on_event, self.keep = on_event, keep
        self.events: list[Event] = []
        self.spans: list[Span] = []
        self._open: dict[str, Span] = {}
        self._lock = threading.Lock()

    def started(self, kind: str, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
        """A call begins."""
        # In a start handler the active call is still the parent.
        parent_id, name, now = ACTIVE_CALL_ID.get(), _name_of(instance), time.time()
        span = Span(kind=kind, name=name, call_id=call_id, parent_id=parent_id, started=now, instance=instance, inputs=inputs)
        with self._lock:
            parent = self._open.get(parent_id or "")
            self._open[call_id] = span
            if parent is not None:
                parent.children.append(span)
            elif self.keep:
                self.spans.append(span)
        self._tell(
            Event(phase="start", kind=kind, name=name, call_id=call_id, parent_id=parent_id, time=now, instance=instance, inputs=inputs)
        )

    def ended(self, kind: str, call_id: str, outputs: Any, exception: BaseException | None) -> None:
        """A call is over."""
        now = time.time()
        with self._lock:
            span = self._open.pop(call_id, None)
        if span is None:
            return
        span.outputs, span.error, span.seconds = outputs, exception, now - span.started
        self._tell(
            Event(
                phase="end",
                kind=kind,
                name=span.name,
                call_id=call_id,
                parent_id=span.parent_id,
                time=now,
                instance=span.instance,
                outputs=outputs,
                error=exception,
                seconds=span.seconds,
            )
        )

    def _tell(self, event: Event) -> None:
        if self.keep:
            self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def walk(self) -> Iterator[Span]:
        """Every span, outermost first."""
        for span in self.spans:
            yield from span.walk()

    def __str__(self) -> str:
        return "\n".join(line for span in self.spans for line in span.lines())


def _handler(kind: str, phase: str) -> Callable[..., None]:
    if phase == "start":
        return lambda self, call_id, instance, inputs: self.started(kind, call_id, instance, inputs)
    return lambda self, call_id, outputs, exception: self.ended(kind, call_id, outputs, exception)


for _kind in KINDS:
    setattr(Watch, f"on_{_kind}_start", _handler(_kind, "start"))
    setattr(Watch, f"on_{_kind}_end", _handler(_kind, "end"))


def _name_of(instance: Any) -> str:
    for name in ("name", "model", "__name__"):
        found = getattr(instance, name, None)
        if isinstance(found, str) and found:
            return found
    return type(instance).__name__


@contextmanager
def watch(on_event: Callable[[Event], Any] | None = None, *, keep: bool = True) -> Iterator[Watch]:
    """See what is done in a `with` block, and in the threads and tasks started from it.

    `on_event` is called with each `Event` as it happens, in the thread where it happens; with `keep=False` nothing is kept for later.

    >>> with watch() as seen:
    ...     pass
    >>> len(seen.events), len(seen.spans)
    (0, 0)
    """
    seen = Watch(on_event, keep)
    with context(callbacks=(*current().callbacks, seen)):
        yield seen
