"""`trace()`: record what a program does, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whet.core.context import context
from whet.core.trace import Trace

__all__ = ["trace"]


@contextmanager
def trace() -> Iterator[Trace]:
    """Record the steps of predictors (the list itself) and the model calls (its `calls`) made in a `with` block.

    >>> with trace() as steps:
    ...     pass
    >>> len(steps), len(steps.calls)
    (0, 0)
    """
    steps = Trace()
    with context(trace=steps):
        yield steps
