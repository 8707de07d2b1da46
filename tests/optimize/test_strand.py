"""Strands: overlap, order of ranks, stopping, and that results never depend on timing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from whet.core.flow import Flow, Invoke, adrive, drive
from whet.optimize.strand import Stopped, Strand, Strands, Work


def slow(value: Any, seconds: float = 0.0) -> Work:
    def flow() -> Flow[Any]:
        yield Invoke(time.sleep, (seconds,))
        return value

    return Work(flow)


def test_a_strand_waits_for_all_it_asks_for_in_order() -> None:
    def main() -> Strand[list[int]]:
        return (yield [slow(1, 0.02), slow(2), slow(3)])

    assert drive(Strands(limit=3).flow(main())) == [1, 2, 3]
    assert asyncio.run(adrive(Strands(limit=3).flow(main()))) == [1, 2, 3]


def test_one_place_is_enough() -> None:
    def main() -> Strand[Any]:
        first = yield slow(1)
        return (yield [slow(first + 1), child()])

    def child() -> Strand[str]:
        return (yield slow("inner"))

    assert drive(Strands(limit=1).flow(main())) == [2, "inner"]


def test_places_are_shared_by_all_strands_and_never_more_than_allowed() -> None:
    running, peak, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    def branch() -> Strand[int]:
        yield [Work(lambda: _invoked(work)) for _ in range(6)]
        return 6

    def main() -> Strand[int]:
        return sum((yield [branch() for _ in range(5)]))

    assert drive(Strands(limit=4).flow(main())) == 30
    assert peak == 4


def _invoked(function: Any) -> Flow[Any]:
    return (yield Invoke(function))


def test_a_started_strand_goes_on_while_the_other_works() -> None:
    order: list[str] = []

    def background() -> Strand[str]:
        yield slow(0, 0.03)
        order.append("background")
        return "b"

    def main() -> Strand[str]:
        handle = strands.start(background())
        yield slow(0)
        order.append("main")
        return (yield handle)

    strands = Strands(limit=2)
    assert drive(strands.flow(main())) == "b"
    assert order == ["main", "background"]


def test_lower_ranks_go_first() -> None:
    seen: list[int] = []

    def note(number: int) -> Flow[None]:
        yield from ()
        seen.append(number)

    def main() -> Strand[None]:
        yield [Work(lambda i=i: note(i), rank=-i) for i in range(4)]  # type: ignore[misc]

    drive(Strands(limit=1).flow(main()))
    assert seen == [3, 2, 1, 0]


def test_a_work_that_fails_is_an_outcome_and_a_strand_that_fails_ends_all() -> None:
    def broken() -> Flow[None]:
        yield from ()
        raise ValueError("no")

    def main() -> Strand[Any]:
        return (yield Work(broken))

    assert isinstance(drive(Strands(limit=2).flow(main())), ValueError)

    def falls() -> Strand[None]:
        yield slow(1)
        raise KeyError("bug")

    with pytest.raises(KeyError):
        drive(Strands(limit=2).flow(falls()))
    with pytest.raises(KeyError):
        asyncio.run(adrive(Strands(limit=2).flow(falls())))


def test_nobody_waits_for_what_nobody_needs() -> None:
    needed = threading.Event()

    def late() -> Flow[None]:
        yield Invoke(needed.wait)

    def main() -> Strand[str]:
        strands.start(Work(late))
        return (yield slow("here", 0.01))

    for drives in (drive, lambda flow: asyncio.run(adrive(flow))):
        strands = Strands(limit=2)
        assert drives(strands.flow(main())) == "here"
    needed.set()


def test_stop_ends_the_whole_with_what_is_under_way() -> None:
    done: list[int] = []

    def note(number: int) -> Flow[None]:
        yield Invoke(time.sleep, (0.001,))
        done.append(number)

    def main() -> Strand[None]:
        yield [Work(lambda i=i: note(i)) for i in range(100)]  # type: ignore[misc]

    with pytest.raises(Stopped, match="enough"):
        drive(Strands(limit=3, stop=lambda: "enough" if len(done) >= 5 else None).flow(main()))
    assert 5 <= len(done) <= 5 + 3


@pytest.mark.parametrize("limit", [1, 3, 16])
def test_what_a_strand_sees_does_not_depend_on_the_number_of_places(limit: int) -> None:
    def tree(depth: int) -> Strand[list[Any]]:
        values: list[Any] = yield [slow(depth, 0.001 * (depth % 2)), *([tree(depth - 1)] * (depth > 0))]
        return values

    def flat(value: Any) -> Iterator[int]:
        if isinstance(value, list):
            for part in value:
                yield from flat(part)
        else:
            yield value

    assert list(flat(drive(Strands(limit=limit).flow(tree(4))))) == [4, 3, 2, 1, 0]
