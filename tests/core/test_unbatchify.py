"""`Unbatchify`: calls are gathered, the full batch goes at once, errors reach everybody (behaviour 15.8)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from whet.core.unbatchify import Unbatchify
from whet.errors import ConfigurationError


def test_a_full_batch_goes_at_once_and_a_short_one_after_the_wait() -> None:
    sizes: list[int] = []

    def double(items: list[int]) -> list[int]:
        sizes.append(len(items))
        return [2 * item for item in items]

    unbatchify = Unbatchify(double, max_batch_size=4, max_wait_time=600.0)  # longer than this test may take
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(unbatchify, range(8))) == [2 * i for i in range(8)]
    assert sizes == [4, 4]
    quick = Unbatchify(double, max_batch_size=4, max_wait_time=0.05)
    start = time.monotonic()
    assert quick(21) == 42
    assert time.monotonic() - start > 0.04


def test_without_a_wait_the_first_goes_and_the_others_gather_behind_it() -> None:
    sizes: list[int] = []
    started, release = threading.Event(), threading.Event()

    def slow(items: list[int]) -> list[int]:
        sizes.append(len(items))
        started.set()
        release.wait(5)
        return items

    unbatchify = Unbatchify(slow, max_batch_size=10, max_wait_time=0)
    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(unbatchify, 0)
        started.wait(5)
        rest = [pool.submit(unbatchify, i) for i in range(1, 12)]
        while len(unbatchify._waiting) < 11:
            time.sleep(0.001)
        release.set()
        assert [first.result(5), *(f.result(5) for f in rest)] == list(range(12))
    assert sizes == [1, 10, 1]


def test_an_exception_reaches_all_callers_and_the_next_batch_works() -> None:
    def picky(items: list[int]) -> list[int]:
        if -1 in items:
            raise KeyError("no")
        return items

    unbatchify = Unbatchify(picky, max_batch_size=3, max_wait_time=1.0)
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(unbatchify, item) for item in (1, -1, 2)]
        for future in futures:
            with pytest.raises(KeyError, match="no"):
                future.result(5)
        assert sorted(pool.map(unbatchify, range(3))) == [0, 1, 2]


def test_closing_serves_those_who_wait_and_refuses_others() -> None:
    unbatchify = Unbatchify(lambda items: items, max_wait_time=30)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(unbatchify, 5)
        while not unbatchify._led:
            time.sleep(0.001)
        unbatchify.close()
        assert future.result(5) == 5
    with pytest.raises(ConfigurationError, match="closed"):
        unbatchify(1)
    with pytest.raises(ConfigurationError, match="`max_batch_size` is 0"):
        Unbatchify(lambda items: items, max_batch_size=0)


def test_a_wrong_number_of_results_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="returned 0 results for 1 item"):
        Unbatchify(lambda items: [], max_wait_time=0)(1)


def test_no_thread_is_left_and_many_callers_are_all_served() -> None:
    before = set(threading.enumerate())
    unbatchify = Unbatchify(lambda items: [i + 1 for i in items], max_batch_size=7, max_wait_time=0.001)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(unbatchify, range(2000))) == list(range(1, 2001))
    assert set(threading.enumerate()) <= before


def test_the_item_can_be_named() -> None:
    with Unbatchify(lambda numbers: [n * n for n in numbers], max_wait_time=0) as square:
        assert square(input_item=3) == 9
