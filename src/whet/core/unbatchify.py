"""`Unbatchify`: many callers with one item each, served by few calls of a function that takes a list. No thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from whet.core.wording import counted
from whet.errors import ConfigurationError

__all__ = ["Unbatchify"]


class _Slot:
    __slots__ = ("done", "error", "item", "result")

    def __init__(self, item: Any) -> None:
        self.item, self.result = item, None
        self.error: BaseException | None = None
        self.done = False


class Unbatchify:
    """A function of one item, from `batch_fn`, a function of a list that returns as many results.

    Calls from several threads within `max_wait_time` seconds are served together, at most `max_batch_size` at once and without waiting when
    so many are there. One of the waiting callers runs the batch; with `max_wait_time=0` the first goes at once and whoever comes meanwhile
    forms the next batch. An exception of `batch_fn` reaches all callers of its batch. After `close`, calls raise `ConfigurationError`.

    >>> with Unbatchify(lambda numbers: [n * n for n in numbers], max_wait_time=0) as square:
    ...     square(7)
    49
    """

    def __init__(self, batch_fn: Callable[[list[Any]], list[Any]], max_batch_size: int = 32, max_wait_time: float = 0.1) -> None:
        if max_batch_size < 1:
            raise ConfigurationError(f"`max_batch_size` is {max_batch_size}; a batch holds at least 1 item.")
        self.batch_fn, self.max_batch_size, self.max_wait_time = batch_fn, max_batch_size, max_wait_time
        self._changed = threading.Condition()
        self._waiting: list[_Slot] = []
        self._led = False
        self._closed = False

    def __call__(self, input_item: Any) -> Any:
        """The result for one item."""
        slot = _Slot(input_item)
        with self._changed:
            if self._closed:
                raise ConfigurationError("This `Unbatchify` was closed; make another one.")
            self._waiting.append(slot)
            if len(self._waiting) >= self.max_batch_size:
                self._changed.notify_all()
        while batch := self._turn(slot):
            self._run(batch)
        if slot.error is not None:
            raise slot.error
        return slot.result

    def _turn(self, slot: _Slot) -> list[_Slot]:
        """Wait until the slot is done (nothing to run) or until it is this caller's turn to run a batch."""
        with self._changed:
            while self._led and not slot.done:
                self._changed.wait()
            if slot.done:
                return []
            self._led = True
            until = time.monotonic() + self.max_wait_time
            while len(self._waiting) < self.max_batch_size and not self._closed and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            batch = self._waiting[: self.max_batch_size]
            del self._waiting[: self.max_batch_size]
            return batch

    def _run(self, batch: list[_Slot]) -> None:
        error: BaseException | None = None
        results: list[Any] = []
        try:
            results = list(self.batch_fn([slot.item for slot in batch]))
            if len(results) != len(batch):
                error = ConfigurationError(
                    f"The batch function returned {counted(len(results), 'result')} for {counted(len(batch), 'item')}."
                )
        except BaseException as failure:  # noqa: BLE001 - every caller of the batch gets it, this one included
            error = failure
        with self._changed:
            for place, slot in enumerate(batch):
                slot.error = error
                slot.result = None if error is not None else results[place]
                slot.done = True
            self._led = False
            self._changed.notify_all()

    def close(self) -> None:
        """Refuse further calls; those under way are served at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self) -> Unbatchify:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
