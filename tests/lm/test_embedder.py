"""Embedders: shapes, batches, cache, and hosted models on a real server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.server import serving

import whet
from whet.errors import InputError, LMConfigurationError, LMInvalidRequestError, LMUnexpectedError
from whet.lm.store import CacheStore


def counting() -> tuple[Callable[..., Any], list[list[str]]]:
    batches: list[list[str]] = []

    def embed(texts: list[str], scale: float = 1.0) -> Any:
        batches.append(texts)
        return [[len(t) * scale, 1.0] for t in texts]

    return embed, batches


def test_a_text_is_a_vector_and_a_list_a_matrix() -> None:
    embedder = whet.Embedder(counting()[0], caching=False)
    one, many = embedder("abc"), embedder(["a", "ab"])
    assert one.dtype == many.dtype == np.float32
    assert one.tolist() == [3.0, 1.0] and many.tolist() == [[1.0, 1.0], [2.0, 1.0]]
    assert embedder([]).shape == (0, 0)
    assert asyncio.run(embedder.acall(["a", "ab"])).tolist() == many.tolist()


def test_batches_in_order_and_per_call_options() -> None:
    embed, batches = counting()
    embedder = whet.Embedder(embed, batch_size=2, caching=False, scale=10.0)
    assert embedder(["a", "bb", "ccc", "dddd", "eeeee"])[:, 0].tolist() == [10, 20, 30, 40, 50]
    assert [len(b) for b in batches] == [2, 2, 1]
    assert embedder(["a", "bb", "ccc"], batch_size=3, scale=1.0)[:, 0].tolist() == [1, 2, 3]
    assert len(batches) == 4


def test_each_text_is_embedded_once_and_kept(tmp_path: Path) -> None:
    embed, batches = counting()
    embedder = whet.Embedder(embed)
    with whet.context(cache=CacheStore(tmp_path)):
        first = embedder(["a", "a", "bb"])
        assert batches == [["a", "bb"]]
        assert embedder(["bb", "a", "new"]).tolist() == [[2, 1], [1, 1], [3, 1]]
        assert batches[1:] == [["new"]]
        embedder(["a"], caching=False)
        embedder(["a"], scale=2.0)
        assert len(batches) == 4
    assert first.tolist() == [[1, 1], [1, 1], [2, 1]]


def test_rows_survive_the_disk() -> None:
    code = (
        "import whet, sys\n"
        "def embed(texts):\n    print('asked'); return [[0.1, len(t)] for t in texts]\n"
        "print(whet.Embedder(embed)(['abc']).tolist())\n"
    )
    path = Path(sys.executable).parent  # any stable file name will do for the source
    del path
    outputs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert outputs[0].startswith("asked")
    assert outputs[1].splitlines()[-1] == outputs[0].splitlines()[-1]


def test_two_closures_do_not_share_rows() -> None:
    def make(value: float) -> Callable[[list[str]], Any]:
        return lambda texts: [[value] for _ in texts]

    assert (float(whet.Embedder(make(1.0))("x")[0]), float(whet.Embedder(make(2.0))("x")[0])) == (1.0, 2.0)


@pytest.mark.parametrize("wrong", [3, None, ["a", 1], [["a"]]])
def test_inputs_are_strings(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be strings"):
        whet.Embedder(counting()[0])(wrong)


def test_a_model_is_a_name_or_a_function() -> None:
    with pytest.raises(ValueError, match="name of one, or a function"):
        whet.Embedder(42)("text")
    with pytest.raises(LMConfigurationError, match="anthropic"):
        whet.Embedder("anthropic/claude", caching=False)("text")


def test_an_async_function() -> None:
    async def embed(texts: list[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        return [[1.0, 2.0] for _ in texts]

    embedder = whet.Embedder(embed, caching=False)
    assert embedder("a").tolist() == asyncio.run(embedder.acall("a")).tolist() == [1.0, 2.0]


def test_hashing_needs_nothing_and_sees_spelling() -> None:
    embedder = whet.Embedder("hashing")
    a, b, c = embedder(["card payment failed", "my card payment is failing", "rainy weekend"])
    assert a.shape == (256,)
    assert a @ b > 0.4 > a @ c


def test_a_hosted_model_in_batches_with_retries() -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        if number == 1:
            return 503, {"retry-after": "0"}, {"error": {"message": "busy"}}
        rows = [{"index": i, "embedding": [float(len(t)), 0.5]} for i, t in enumerate(body["input"])]
        return 200, {}, {"data": rows[::-1], "usage": {"prompt_tokens": len(rows), "total_tokens": len(rows)}}

    with serving(answer) as server, whet.context(cache=CacheStore(None)), whet.track_usage() as tracker:
        embedder = whet.Embedder("openai/text-embedding-x", batch_size=2, api_base=server.url, api_key="sk-canary-1", dimensions=2)
        assert embedder(["a", "bb", "ccc"]).tolist() == [[1, 0.5], [2, 0.5], [3, 0.5]]
        assert asyncio.run(embedder.acall(["ccc", "dddd"])).tolist() == [[3, 0.5], [4, 0.5]]
        assert sorted(len(b["input"]) for b in server.bodies[1:]) in ([1, 1, 2], [1, 2, 2])
        assert all(b["model"] == "text-embedding-x" and b["dimensions"] == 2 for b in server.bodies)
        assert server.headers[0]["authorization"] == "Bearer sk-canary-1"
    assert tracker.get_total_tokens()["openai/text-embedding-x"]["prompt_tokens"] == 4


def test_a_server_that_gives_too_few_is_an_error() -> None:
    with serving(lambda body, number: (200, {}, {"data": []})) as server:
        embedder = whet.Embedder("openai/x", api_base=server.url, api_key="k", caching=False)
        with pytest.raises(LMUnexpectedError, match="0 vectors for 1"):
            embedder("a")


@pytest.mark.parametrize("numbers", [[0, 0, 0], [0, 1, 1], [1, 2, 3], [0, 1, None], [0, 1, "2"], [0, 1, 2.0], [0, True, 2], [-1, 0, 1]])
def test_rows_under_wrong_numbers_are_refused_and_not_kept(numbers: list[Any]) -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return 200, {}, {"data": [{"index": n, "embedding": [1.0]} for n in numbers], "usage": {"prompt_tokens": 5, "total_tokens": 5}}

    store = CacheStore(None)
    with serving(answer) as server, whet.context(cache=store):
        embedder = whet.Embedder("openai/x", api_base=server.url, api_key="k")
        with pytest.raises(LMUnexpectedError, match="numbered its 3 vectors .* instead of 0 to 2.*batch_size=1") as caught:
            embedder(["a", "b", "c"])
    assert caught.value.usage is not None and caught.value.usage.input_tokens == 5
    assert not store.memory.entries


def test_rows_without_numbers_are_in_the_order_of_the_texts() -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return 200, {}, {"data": [{"embedding": [float(len(t))]} for t in body["input"]]}

    with serving(answer) as server:
        embedder = whet.Embedder("openai/x", api_base=server.url, api_key="k", caching=False)
        assert embedder(["aaa", "b", "cc"]).tolist() == [[3.0], [1.0], [2.0]]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (lambda i: [1.0] * (i % 2 + 1), "rows of 1 and of 2 numbers"),
        (lambda i: [1.0, float("nan")], "NaN"),
        (lambda i: [float("inf"), float("-inf")], "infinity"),
        (lambda i: [], "without numbers"),
    ],
)
def test_rows_that_would_spoil_a_comparison_are_refused_and_not_kept(row: Callable[[int], list[float]], said: str, tmp_path: Path) -> None:
    sound = False

    def answer(body: dict[str, Any], number: int) -> Any:
        return 200, {}, {"data": [{"index": i, "embedding": [0.5, 2.0] if sound else row(i)} for i in range(len(body["input"]))]}

    store = CacheStore(tmp_path)
    with serving(answer) as server, whet.context(cache=store):
        embedder = whet.Embedder("openai/e", api_base=server.url, api_key="k", num_retries=0)
        with pytest.raises(LMUnexpectedError, match=said):
            embedder(["a", "b"])
        with pytest.raises(InputError, match=said):
            whet.Embedder(lambda texts: [row(i) for i in range(len(texts))])(["a", "b"])
        sound = True
        assert embedder(["a", "b"]).tolist() == [[0.5, 2.0]] * 2
    store.close()


def test_a_model_that_changed_under_its_name_is_said() -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return 200, {}, {"data": [{"index": i, "embedding": [0.5] * number} for i in range(len(body["input"]))]}

    with serving(answer) as server, whet.context(cache=CacheStore(None)):
        embedder = whet.Embedder("openai/e", api_base=server.url, api_key="k", num_retries=0)
        assert embedder("a").tolist() == [0.5]
        with pytest.raises(LMUnexpectedError, match="rows of 1 and of 2 numbers.*caching=False"):
            embedder(["a", "b"])


def test_batches_that_came_are_kept_where_another_one_failed() -> None:
    broken = True

    def answer(body: dict[str, Any], number: int) -> Any:
        if broken and "t3" in body["input"]:
            return 400, {}, {"error": {"message": "not this one"}}
        return 200, {}, {"data": [{"index": i, "embedding": [0.5]} for i in range(len(body["input"]))]}

    texts = [f"t{i}" for i in range(6)]
    with serving(answer) as server, whet.context(cache=CacheStore(None)):
        embedder = whet.Embedder("openai/e", api_base=server.url, api_key="k", num_retries=0, batch_size=2)
        with pytest.raises(LMInvalidRequestError, match="not this one"):
            embedder(texts)
        broken = False
        assert len(embedder(texts)) == 6 and server.count == 4
