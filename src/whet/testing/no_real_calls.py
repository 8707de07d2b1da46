"""`no_real_calls()`: while it is in force, a call that would leave this machine raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whet.core.http import everywhere

__all__ = ["no_real_calls"]


@contextmanager
def no_real_calls() -> Iterator[None]:
    """Any request of whet to another machine raises `LMTransportError` before a name is looked up, in every thread and on every loop.

    For the whole of a test run, enter it in a session fixture. Servers on loopback can be reached.

    >>> from whet.errors import LMTransportError
    >>> from whet.lm.lm import LM
    >>> with no_real_calls():
    ...     try:
    ...         LM("openai/gpt-4o-mini", api_key="none", cache=False, num_retries=0)("Hello")
    ...     except LMTransportError:
    ...         print("stopped")
    stopped
    """
    before, everywhere.up = everywhere.up, True
    try:
        yield
    finally:
        everywhere.up = before
