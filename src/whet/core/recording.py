"""`trace()`: record what a program does, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whet.core.context import context, current
from whet.core.trace import Trace

__all__ = ["trace"]


@contextmanager
def trace() -> Iterator[Trace]:
    """Record the steps of predictors (the list itself) and the model calls (its `calls`) made in a `with` block.

    Within another recording, that one is told too, when the block ends.

    >>> with trace() as steps:
    ...     pass
    >>> len(steps), len(steps.calls)
    (0, 0)
    """
    outer, steps = current().trace, Trace()
    try:
        with context(trace=steps):
            yield steps
    finally:
        if outer is not None:
            outer.extend(steps)
        if isinstance(outer, Trace):
            outer.calls.extend(steps.calls)
            outer.unread.extend(steps.unread)
