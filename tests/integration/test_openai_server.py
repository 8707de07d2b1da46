"""A whole prediction against a real server: what is sent, what comes back, and each way it can fail."""

from __future__ import annotations

import asyncio
import os
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.integration.server import completion, serving

import whet
from whet.errors import (
    LMAuthError,
    LMError,
    LMInvalidRequestError,
    LMNotConfiguredError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    TruncatedError,
)

PARIS = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"


def lm_at(url: str, **options: Any) -> whet.LM:
    return whet.LM("openai/some-model", api_base=url, api_key="sk-canary-1234567890", **{"cache": False, "num_retries": 0, **options})


def ask(lm: Any) -> Any:
    with whet.context(lm=lm):
        return whet.Predict("question -> answer")(question="Capital of France?")


def test_what_is_rendered_is_what_arrives() -> None:
    with serving(PARIS) as server:
        predict = whet.Predict("question -> answer", temperature=0.3)
        with whet.context(lm=lm_at(server.url)):
            prediction = predict(question="Capital of France?")
        shown = predict.render(question="Capital of France?")
    assert prediction.answer == "Paris"
    assert prediction.meta.model == "served-model"
    assert server.bodies == [{"model": "some-model", "messages": list(shown), "temperature": 0.3}]
    assert server.headers[0]["authorization"] == "Bearer sk-canary-1234567890"
    assert server.headers[0]["user-agent"].startswith("whet/")


def test_async_is_the_same() -> None:
    async def main(lm: Any) -> Any:
        with whet.context(lm=lm):
            predict = whet.Predict("question -> answer")
            return await asyncio.gather(*(predict.acall(question=str(i)) for i in range(20)))

    with serving(PARIS) as server:
        assert [p.answer for p in asyncio.run(main(lm_at(server.url)))] == ["Paris"] * 20
        assert server.count == 20


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, LMAuthError),
        (429, {"retry-after": "7"}, LMRateLimitError),
        (500, {}, LMServerError),
        (400, {}, LMInvalidRequestError),
    ],
)
def test_each_status_is_its_own_error(status: int, headers: dict[str, str], kind: type[LMError]) -> None:
    with serving(lambda body, number: (status, headers, {"error": {"message": "it went wrong", "code": "some_code"}})) as server:
        with pytest.raises(kind) as caught:
            ask(lm_at(server.url))
        assert server.count == 1
    assert caught.value.status == status
    assert "it went wrong" in str(caught.value)
    assert caught.value.model == "openai/some-model"
    assert "canary" not in str(caught.value) + repr(caught.value)
    if status == 429:
        assert caught.value.retry_after == 7.0


def test_an_unreachable_server() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pytest.raises(LMTransportError, match=str(port)):
        ask(lm_at(f"http://127.0.0.1:{port}/v1"))


def test_an_answer_that_is_no_json() -> None:
    with serving(lambda body, number: (200, {}, b"<html>hello</html>")) as server, pytest.raises(LMUnexpectedError, match="html"):
        ask(lm_at(server.url))


def test_a_truncated_answer_keeps_its_text_and_usage() -> None:
    with serving(lambda body, number: (200, {}, completion("[[ ## ans", "length"))) as server, pytest.raises(TruncatedError) as caught:
        ask(lm_at(server.url))
    assert caught.value.lm_response == "[[ ## ans"
    assert caught.value.usage.total_tokens == 15


def test_a_failure_in_passing_is_retried_and_counted() -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return (503, {"retry-after": "0"}, {"error": {"message": "busy"}}) if number < 3 else PARIS

    with serving(answer) as server:
        assert ask(lm_at(server.url, num_retries=3)).answer == "Paris"
        assert server.count == 3


def test_a_limit_in_time() -> None:
    import time

    def slow(body: dict[str, Any], number: int) -> str:
        time.sleep(2)
        return PARIS

    with serving(slow) as server, pytest.raises(LMTimeoutError):
        ask(lm_at(server.url, timeout=0.2))


def test_a_limit_goes_under_its_newer_name_where_the_server_asks_for_it() -> None:
    complaint = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."

    def answer(body: dict[str, Any], number: int) -> Any:
        if "max_tokens" in body:
            return 400, {}, {"error": {"message": complaint, "param": "max_tokens"}}
        return 200, {}, {"choices": [{"message": {"content": "hi"}}]}

    with serving(answer) as server:
        lm = whet.LM("openai/newer", api_base=server.url, api_key="k", cache=False, max_tokens=500)
        assert lm("one") == lm("two") == ["hi"]
        assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 500, 500]


def test_a_refused_parameter_is_left_out_once_and_remembered() -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        if "temperature" in body:
            return (400, {}, {"error": {"message": "Unsupported value: 'temperature' does not support 0.5 with this model."}})
        return PARIS

    with serving(answer) as server:
        lm = lm_at(server.url, temperature=0.5)
        assert ask(lm).answer == ask(lm).answer == "Paris"
        assert ["temperature" in body for body in server.bodies] == [True, False, False]


def test_several_refused_parameters_are_left_out_one_by_one_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        for name in ("temperature", "top_p", "seed"):
            if name in body and body["model"] == "strict":
                return (400, {}, {"error": {"message": f"Unsupported parameter: '{name}' is not supported with this model."}})
        return PARIS

    with serving(answer) as server:
        options = {"temperature": 0.5, "top_p": 0.9, "seed": 3}
        strict, free = (
            whet.LM(f"openai/{name}", api_base=server.url, api_key="k", cache=False, num_retries=0, **options)
            for name in ("strict", "free")
        )
        for lm in (strict, strict, free):
            ask(lm)
        assert [len(options.keys() & body.keys()) for body in server.bodies] == [3, 2, 1, 0, 0, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "`openai/strict` does not take `seed`, `temperature`, `top_p`: left out, in this call and in later ones."
    ]


def test_a_missing_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(LMNotConfiguredError, match="OPENAI_API_KEY"):
        ask(whet.LM("openai/gpt-4o-mini", cache=False))


def test_cached_answers_cost_nothing_and_survive_the_process_layer(tmp_path: Path) -> None:
    with serving(PARIS) as server:
        store = whet.configure_cache(disk_cache_dir=tmp_path)
        try:
            first, second = ask(lm_at(server.url, cache=True)), ask(lm_at(server.url, cache=True))
            store.clear_memory()
            third = ask(lm_at(server.url, cache=True))
        finally:
            whet.configure(cache=None)
            store.close()
        assert server.count == 1
    assert (first.meta.cache_hit, second.meta.cache_hit, third.meta.cache_hit) == (False, True, True)
    assert second.answer == third.answer == "Paris"
    assert "canary" not in "".join(p.read_bytes().decode("latin-1") for p in tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file in the way", "read-only"])
def test_a_cache_directory_that_cannot_be_used_means_memory_and_one_warning(tmp_path: Path, kind: str) -> None:
    blocked = tmp_path / "blocked"
    if kind == "file in the way" or os.geteuid() == 0:
        blocked.write_text("in the way", encoding="utf-8")
    else:
        blocked.mkdir(mode=0o500)
    with serving(PARIS) as server:
        whet.configure_cache(disk_cache_dir=blocked / "cache")
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                assert ask(lm_at(server.url, cache=True)).answer == "Paris"
                assert ask(lm_at(server.url, cache=True)).answer == "Paris"
        finally:
            whet.configure(cache=None)
        assert server.count == 1
    assert len(said) == 1
