"""`whet.cache = Cache(...)`, the cache as tests and programs written for DSPy handle it, and what stands beside it (sections 11 and 13)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from whet.clients import DISK_CACHE_DIR, DISK_CACHE_LIMIT
from whet.clients.base_lm import GLOBAL_HISTORY

import whet
from whet.compat.cache import Cache, request_cache
from whet.compat.dummies import DummyLM
from whet.testing.stub import StubServer


@pytest.fixture(autouse=True)
def own_memory() -> Iterator[None]:
    whet.configure_cache(enable_disk_cache=False)
    yield
    whet.configure_cache(enable_disk_cache=False)


def memory() -> Cache:
    return Cache(enable_disk_cache=False, memory_max_entries=10)


class ByLastWord(Cache):
    """Two calls whose messages end in the same word are the same."""

    def cache_key(self, request: Mapping[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> str:
        return str(request["messages"][-1]["content"]).split()[-1]


def test_a_cache_put_in_place_keeps_the_answers_of_models() -> None:
    lm, own, before = DummyLM([{"a": str(n)} for n in range(9)], cache=True), memory(), whet.cache
    whet.cache = own  # type: ignore[misc]
    try:
        assert lm("hello") == lm("hello")
        assert len(own.memory_cache) == 1
    finally:
        whet.cache = before  # type: ignore[misc]
    assert lm("hello") != ["[[ ## a ## ]]\n0\n\n[[ ## completed ## ]]\n"], "the first cache is back, and does not know it"
    assert len(own.memory_cache) == 1


def test_a_cache_with_keys_of_its_own_says_what_is_the_same() -> None:
    lm = DummyLM([{"a": str(n)} for n in range(9)], cache=True)
    with patch("whet.cache", ByLastWord(enable_disk_cache=False)):
        assert lm("good morning") == lm("this morning")
        assert lm("good evening") != lm("good morning")


def test_functions_ask_the_cache_that_is_in_place() -> None:
    @request_cache()
    def answer(prompt: str, **rest: Any) -> str:
        return prompt

    @request_cache()
    async def later(prompt: str) -> str:
        return prompt

    own = memory()
    with patch("whet.cache", own):
        assert answer(prompt="a", depth=2) == "a"
        name = f"{answer.__module__}.{answer.__qualname__}"
        assert own.get({"prompt": "a", "depth": 2, "_fn_identifier": name}) == "a"
        with patch.object(own, "get", return_value="known"):
            assert answer(prompt="a", depth=2) == "known"
            assert asyncio.run(later("b")) == "known"


def test_the_layers_answer_as_mappings(tmp_path: Path) -> None:
    own = Cache(True, True, str(tmp_path), 1024 * 1024, 100, restrict_pickle=True, safe_types=[])
    own.put({"n": 1}, "one")
    key = own.cache_key({"n": 1})
    assert key in own.memory_cache
    assert key in own.disk_cache
    assert own.cache_key({"n": 2}) not in own.disk_cache
    assert len(own.disk_cache) == 1
    own.disk_cache.close()
    assert own.get({"n": 1}) == "one"
    assert Path(DISK_CACHE_DIR).is_absolute()
    assert DISK_CACHE_LIMIT > 0


def test_the_global_history_is_a_list_of_dicts() -> None:
    GLOBAL_HISTORY.clear()
    assert not GLOBAL_HISTORY
    with whet.context(lm=DummyLM([{"a": "1"}] * 3)):
        for word in ("first", "second"):
            whet.Predict("q -> a")(q=word)
    assert isinstance(GLOBAL_HISTORY, list)
    assert len(GLOBAL_HISTORY) == 2
    assert all(type(entry) is dict and entry["model"] == "dummy" for entry in GLOBAL_HISTORY)
    assert "second" in GLOBAL_HISTORY[-1]["messages"][-1]["content"]
    assert [entry["model"] for entry in GLOBAL_HISTORY[:1]] == ["dummy"]


def test_the_responses_api_gives_dicts() -> None:
    with StubServer("responses", "Hello") as stub:
        lm = stub.lm()
        assert lm("Hi") == [{"text": "Hello"}]
        assert lm.history[-1]["outputs"] == [{"text": "Hello"}]


def test_the_layer_on_disk_is_emptied_by_itself(tmp_path: Path) -> None:
    own = Cache(True, True, str(tmp_path))
    own.put({"n": 1}, "one")
    assert len(own.disk_cache) == 1
    own.disk_cache.clear()
    assert len(own.disk_cache) == 0 and len(own.memory_cache) == 1
