"""A flow under other settings than those of whoever drives it."""

from __future__ import annotations

from typing import Any, TypeVar

from whet.core.context import context
from whet.core.flow import Flow

__all__ = ["under"]

T = TypeVar("T")


def under(flow: Flow[T], **changes: Any) -> Flow[T]:
    """Every step of the flow with these settings; between the steps the driver's are in force, as a generator must leave them.

    >>> from whet.core.context import current
    >>> from whet.core.flow import Sleep, drive
    >>> def seen():
    ...     yield Sleep(0)
    ...     return current().max_errors
    >>> drive(under(seen(), max_errors=1))
    1
    """
    step, given = flow.send, None
    while True:
        try:
            with context(**changes):
                effect = step(given)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        try:
            step, given = flow.send, (yield effect)
        except BaseException as error:  # noqa: BLE001 - the flow inside decides what an error means
            step, given = flow.throw, error
