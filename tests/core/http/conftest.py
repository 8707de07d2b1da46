"""Both drivers behind one fixture: each test that takes `call` runs blocking and awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import copy_context

import pytest

from whet.core.http import HttpRequest, HttpResponse, Pool, everywhere


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(params=["send", "asend"])
def call(request: pytest.FixtureRequest, pool: Pool) -> Iterator[Callable[[HttpRequest], HttpResponse]]:
    """`call(request) -> response`, each time on the same pool and, awaiting, on the same loop."""
    if request.param == "send":
        yield pool.send
        return
    with asyncio.Runner() as runner:
        yield lambda asked: runner.run(pool.asend(asked), context=copy_context())


@pytest.fixture(autouse=True)
def _fence_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about what happens behind whet's fence, and about the fence; the tests' own walls (`tests/guard`) stay up."""
    monkeypatch.setattr(everywhere, "up", False)
