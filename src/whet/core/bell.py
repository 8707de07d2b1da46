"""`Bell`: what wakes one waiting task, for a third of what `asyncio.Event` takes; a stream rings it for each token."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["Bell"]


class Bell:
    """Of one event loop, and for one task that waits. `ring` on the loop's own thread; a ring that nobody waits for is heard by the next.

    >>> import asyncio
    >>> async def main():
    ...     bell = Bell(asyncio.get_running_loop())
    ...     bell.ring()
    ...     await bell.heard()
    ...     return "rung"
    >>> asyncio.run(main())
    'rung'
    """

    __slots__ = ("_loop", "_rung", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake who waits."""
        self._rung = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def heard(self) -> None:
        """Until it was rung since the last time."""
        if not self._rung:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._rung = False
