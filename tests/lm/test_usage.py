"""Usage sums: recursive, exact under threads, seen by every tracker around the call."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel

from whet.core.context import current
from whet.lm.usage import UsageTracker, track_usage


class Details(BaseModel):
    cached_tokens: int


def test_sums_are_recursive_and_forgive_none_and_pydantic() -> None:
    tracker = UsageTracker()
    tracker.add_usage(
        "m", {"prompt_tokens": 1117, "completion_tokens": 46, "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None}}
    )
    tracker.add_usage("m", {"prompt_tokens": None, "completion_tokens": 4, "prompt_tokens_details": None})
    tracker.add_usage("m", {"prompt_tokens": 3, "completion_tokens": 0, "prompt_tokens_details": Details(cached_tokens=4)})
    tracker.add_usage("other", {"total_tokens": 5})
    tracker.add_usage("other", {})
    assert tracker.get_total_tokens() == {
        "m": {"prompt_tokens": 1120, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": None}},
        "other": {"total_tokens": 5},
    }
    assert len(tracker.usage_data["m"]) == 3
    assert len(tracker.usage_data["other"]) == 1


def test_an_outer_tracker_counts_what_an_inner_one_does() -> None:
    with track_usage() as outer:
        current().usage_tracker.add_usage("m", {"total_tokens": 1})
        with track_usage() as inner:
            current().usage_tracker.add_usage("m", {"total_tokens": 2})
    assert inner.get_total_tokens() == {"m": {"total_tokens": 2}}
    assert outer.get_total_tokens() == {"m": {"total_tokens": 3}}
    assert current().usage_tracker is None


def test_sums_are_exact_under_64_threads() -> None:
    with track_usage() as tracker, ThreadPoolExecutor(64) as pool:
        contexts = [contextvars.copy_context() for _ in range(2000)]
        list(pool.map(lambda c: c.run(lambda: current().usage_tracker.add_usage("m", {"total_tokens": 3})), contexts))
    assert tracker.get_total_tokens() == {"m": {"total_tokens": 6000}}
