"""Error answers of every provider: class, code, patience, and no key in any message."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from whet.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)
from whet.lm.wire.errors import error_from, rejected_option, retry_after

BODY = b'{"error": {"message": "no", "type": "t", "code": "c"}}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, LMInvalidRequestError),
        (401, LMAuthError),
        (402, LMBillingError),
        (403, LMAuthError),
        (404, LMUnsupportedModelError),
        (408, LMTimeoutError),
        (409, LMInvalidRequestError),
        (413, LMInvalidRequestError),
        (418, LMInvalidRequestError),
        (422, LMInvalidRequestError),
        (429, LMRateLimitError),
        (500, LMServerError),
        (502, LMServerError),
        (503, LMServerError),
        (529, LMServerError),
        (302, LMUnexpectedError),
    ],
)
def test_the_status_decides_the_class(status: int, kind: type[Exception]) -> None:
    error = error_from(status, {"x-request-id": "r1"}, BODY, model="openai/m", provider="openai")
    assert type(error) is kind
    assert (error.status, error.request_id, error.provider_code, error.provider, error.message) == (status, "r1", "c", "openai", "no")
    assert str(error).startswith(f"[openai/m] no (HTTP {status})")


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "m", "type": "invalid_request_error", "code": None}}, "m", "invalid_request_error"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "m", "overloaded_error"),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], "m", "INVALID_ARGUMENT"),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "m", "BadRequestError"),
        ({"error": "m"}, "m", None),
        ({"message": "m"}, "m", None),
        ({"detail": "m"}, "m", None),
        ({"detail": [{"loc": ["body"], "msg": "m"}]}, '[{"loc": ["body"], "msg": "m"}]', None),
        ({"error_code": "X", "message": "m"}, "m", None),
        ({"error": {"message": "m", "param": "seed"}}, "m (parameter `seed`)", None),
    ],
)
def test_each_form_of_body_is_read(body: object, message: str, code: str | None) -> None:
    error = error_from(400, {}, json.dumps(body).encode())
    assert (error.message, error.provider_code) == (message, code)


def test_bodies_that_are_no_json() -> None:
    assert error_from(502, {}, b"<html><style>a{}</style><h1>Bad\n Gateway</h1></html>").message == "Bad Gateway"
    assert error_from(500, {}, b"").message == "HTTP 500 with an empty body"
    assert error_from(500, {}, b"\xff\xfe boom").message.endswith("boom")
    assert len(error_from(500, {}, b"x" * 10**6).message) == 2000


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "Please reduce the length of the messages or completion.",
    ],
)
def test_a_prompt_that_is_too_long(message: str) -> None:
    error = error_from(400, {}, json.dumps({"error": {"message": message}}).encode(), model="m")
    assert type(error) is ContextWindowExceededError
    assert error.status == 400
    assert type(error_from(429, {}, json.dumps({"error": {"message": message}}).encode())) is LMRateLimitError
    by_code = error_from(400, {}, b'{"error": {"message": "no", "code": "context_length_exceeded"}}')
    assert type(by_code) is ContextWindowExceededError


def test_patience() -> None:
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"retry-after": "2", "retry-after-ms": "1500"}) == 1.5
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 <= (retry_after({"retry-after": soon}) or 0) <= 30
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    for nonsense in ("", "soon", "-", "1e", "nan x"):
        assert retry_after({"retry-after": nonsense}) is None
    google = {"error": {"code": 429, "message": "quota", "details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}}
    assert error_from(429, {}, json.dumps([google]).encode()).retry_after == 34.0
    assert error_from(429, {}, b'{"error": {"message": "Please try again in 6m0.5s."}}').retry_after == 360.5
    assert error_from(429, {}, b'{"error": {"message": "Please try again in 20ms."}}').retry_after == 0.02
    assert error_from(429, {"retry-after": "3"}, b"").retry_after == 3.0


def test_no_key_is_repeated() -> None:
    key = "my-own-key-0123"
    body = {"error": {"message": f"Incorrect API key provided: sk-proj-abcdefghijklmnop. Header was 'Bearer abc.def.ghi-123' or {key}"}}
    error = error_from(401, {}, json.dumps(body).encode(), secrets=[key])
    for secret in ("abcdefghijklmnop", "abc.def.ghi", key):
        assert secret not in str(error)
        assert secret not in repr(error)
    assert "Incorrect API key provided" in error.message


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.", "temperature"),
        ("Unrecognized request argument supplied: seed", "seed"),
        ("seed: Extra inputs are not permitted", "seed"),
        ("bad json", None),
        ("unsupported: temperature_probe", None),
    ],
)
def test_which_option_is_refused(message: str, name: str | None) -> None:
    error = error_from(400, {}, json.dumps({"error": {"message": message}}).encode())
    assert rejected_option(error, ["temperature", "seed", "max_tokens"]) == name
    assert rejected_option(error_from(500, {}, json.dumps({"error": message}).encode()), ["temperature", "seed"]) is None


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, ". Is the API key right"),
        (402, ". Check the account's balance"),
        (404, ". Check the model's name"),
        (429, ". Where waiting helps: fewer calls at once (`max_concurrency=`)"),
        (500, ". The fault is the server's"),
        (400, ""),
    ],
)
def test_the_text_says_what_was_there_and_what_may_help(status: int, advice: str) -> None:
    error = error_from(status, {"retry-after": "1.5"}, b"", model="openai/m")
    error.attempts = 3
    assert str(error).startswith(f"[openai/m] HTTP {status} with an empty body (asked to wait 1.5 s, 3 attempts){advice}")
    assert str(error).endswith(")") == (not advice)
