"""A bell wakes the one who waits, and is not lost on one who waits later."""

from __future__ import annotations

import asyncio

from whet.core.bell import Bell


async def ringing() -> list[str]:
    loop, seen = asyncio.get_running_loop(), list[str]()
    bell = Bell(loop)
    bell.ring()
    bell.ring()
    await bell.heard()
    seen.append("rung before")
    waiting = loop.create_task(bell.heard())
    await asyncio.sleep(0)
    assert not waiting.done(), "one ring is heard once, two at the same time too"
    bell.ring()
    bell.ring()
    await waiting
    seen.append("rung while waiting")
    given_up = loop.create_task(bell.heard())
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    bell.ring()
    await asyncio.wait_for(bell.heard(), 5)
    seen.append("rung after somebody gave up")
    return seen


def test_each_ring_is_heard_once_by_whoever_waits() -> None:
    assert asyncio.run(ringing()) == ["rung before", "rung while waiting", "rung after somebody gave up"]
