"""Telling callbacks what an interpreter does, with the names of the behaviour specification."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from whet.core.context import current

__all__ = ["observed"]

T = TypeVar("T")
_log = logging.getLogger("whet.sandbox")


def observed(instance: Any, event: str, inputs: dict[str, Any], work: Callable[[], T]) -> T:
    """Run `work` between `on_{event}_start` and `on_{event}_end` of the global and the instance's own callbacks."""
    handlers = (*current().callbacks, *(instance.callbacks or ()))
    if not handlers:
        return work()
    call_id = uuid.uuid4().hex
    _tell(handlers, f"on_{event}_start", call_id=call_id, instance=instance, inputs=inputs)
    try:
        outputs = work()
    except BaseException as error:
        _tell(handlers, f"on_{event}_end", call_id=call_id, outputs=None, exception=error)
        raise
    _tell(handlers, f"on_{event}_end", call_id=call_id, outputs=outputs, exception=None)
    return outputs


def _tell(handlers: Iterable[Any], name: str, **details: Any) -> None:
    for handler in handlers:
        method = getattr(handler, name, None)
        if method is None:
            continue
        try:
            method(**details)
        except Exception as error:  # noqa: BLE001 - a watcher must not disturb what it watches
            _log.warning("The callback %s.%s raised %r.", type(handler).__name__, name, error)
