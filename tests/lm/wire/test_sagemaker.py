"""SageMaker's envelope around what a container speaks: messages, prompts as `inputs`, and the errors of either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.server import serving

import whet
from whet.errors import LMInvalidRequestError, LMNotConfiguredError, LMRateLimitError, LMServerError, LMUnexpectedError
from whet.lm.wire.event_stream import frame
from whet.testing import StubServer


def lm_at(base: str, **more: Any) -> whet.LM:
    keys = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret", "aws_region_name": "eu-west-1"}
    return whet.LM("sagemaker/my endpoint", api_base=base, **{"cache": False, "num_retries": 0, **keys, **more})


def test_the_keys_of_the_environment_sign_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    monkeypatch.setenv("AWS_REGION_NAME", "eu-north-1")
    assert whet.LM("sagemaker/e", cache=False)._source_in_use().site.base() == "https://runtime.sagemaker.eu-north-1.amazonaws.com"
    with StubServer("sagemaker", "Hei") as stub:
        monkeypatch.setenv("SAGEMAKER_API_BASE", stub.api_base)
        assert whet.LM("sagemaker/e", cache=False)("Hi", max_tokens=5) == ["Hei"]
        assert [e.text for e in whet.LM("sagemaker_chat/e", cache=False).stream("Hi") if e.kind == "text"] == ["Hei"]
    whole, streamed = stub.received
    assert whole.path == "/endpoints/e/invocations" and streamed.path == "/endpoints/e/invocations-response-stream"
    assert "Credential=AKID/" in whole.headers["authorization"] and "/eu-north-1/sagemaker/" in whole.headers["authorization"]
    assert whole.body["messages"] == [{"role": "user", "content": "Hi"}] and whole.body["max_tokens"] == 5
    assert "canary" not in str(whole)


def test_a_key_that_sagemaker_cannot_use_is_said() -> None:
    with StubServer("sagemaker", "Hei") as stub:
        with pytest.warns(UserWarning, match="`api_key` is not used for `sagemaker/my endpoint`.*aws_secret_access_key") as caught:
            assert lm_at(stub.api_base, api_key="canary")("Hi") == ["Hei"]
        assert len(caught) == 1 and "canary" not in str(caught[0].message)


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with StubServer("sagemaker") as stub, pytest.raises(LMNotConfiguredError, match="AWS_ACCESS_KEY_ID") as caught:
        whet.LM("sagemaker/e", api_base=stub.api_base, cache=False)("Hi")
    assert stub.count == 0 and "BEARER" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, LMInvalidRequestError), (429, LMRateLimitError), (500, LMServerError), ("?", LMInvalidRequestError)]
)
def test_the_containers_own_error_comes_through(status: Any, kind: type[Exception]) -> None:
    told = {"Message": "Received an error from primary", "OriginalStatusCode": status, "OriginalMessage": '{"message": "too hot"}'}
    with serving(lambda body, number: (424, {}, told)) as server, pytest.raises(kind, match="too hot" if status != "?" else "primary"):
        lm_at(server.url)("Hi")


def test_a_parameter_that_the_container_refuses_is_left_out() -> None:
    told = {"Message": "m", "OriginalStatusCode": 400, "OriginalMessage": '{"message": "unsupported parameter: seed"}'}
    fine = {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}
    with serving(lambda body, number: (424, {}, told) if "seed" in body else (200, {}, fine)) as server:
        assert lm_at(server.url)("Hi", seed=3) == ["fine"]


def test_prompts_as_inputs() -> None:
    answer = [{"generated_text": "fine", "details": {"finish_reason": "length", "generated_tokens": 3, "input_length": 4}}]
    asked: list[Any] = []

    def container(body: Any, number: int) -> Any:
        asked.append(body)
        return 200, {}, answer

    with serving(container) as server:
        lm = lm_at(server.url, model_type="text")
        assert lm("Hi", max_tokens=3, temperature=0.0, stop="END") == ["fine"]
        assert lm.history[-1]["usage"]["total_tokens"] == 7
    assert asked[0]["inputs"] == "Hi\n\nBEGIN RESPONSE:"
    expected = {"details": True, "return_full_text": False, "max_new_tokens": 3, "stop": ["END"], "do_sample": False}
    assert asked[0]["parameters"] == expected


def test_prompts_as_inputs_streamed_and_misunderstood() -> None:
    decoder = whet.LM("sagemaker/e", model_type="text", cache=False)._source_in_use()
    stream = decoder.wire.stream(decoder.facts)
    tokens = [{"token": {"text": "fi"}}, {"token": {"text": "ne"}}, {"token": {"text": "</s>", "special": True}, "generated_text": "fine"}]
    events = [e for t in tokens for e in stream.feed(frame("PayloadPart", b"data:" + json.dumps(t).encode() + b"\n\n"))]
    assert [e.text for e in events if e.kind == "text"] == ["fi", "ne"] and stream.finish().text == "fine"
    with serving(lambda body, number: (200, {}, {"choices": []})) as server, pytest.raises(LMUnexpectedError, match="generated_text"):
        lm_at(server.url, model_type="text")("Hi")


def test_an_error_in_the_stream_is_one_of_ours() -> None:
    source = whet.LM("sagemaker/e", cache=False)._source_in_use()
    with pytest.raises(LMServerError, match="gone"):
        source.wire.stream(source.facts).feed(frame("ModelStreamError", b'{"Message": "gone"}', "exception"))
