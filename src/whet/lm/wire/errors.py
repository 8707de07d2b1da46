"""What an HTTP error answer of any provider means, as one of whet's errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from whet.core.http import HttpResponse
from whet.core.http.route import shown
from whet.core.secret import scrub
from whet.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)
from whet.lm.facts import ModelFacts

__all__ = ["error_from", "rejected_option", "request_id_of", "retry_after", "unexpected", "unfollowed"]

MAX_MESSAGE = 2000
BY_STATUS: Mapping[int, type[LMError]] = {
    401: LMAuthError,
    402: LMBillingError,
    403: LMAuthError,
    404: LMUnsupportedModelError,
    408: LMTimeoutError,
    429: LMRateLimitError,
    504: LMTimeoutError,
}
TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|prompt is too long|input is too long|too many (input )?tokens"
    r"|(input|prompt).{0,40}(token count|tokens?|length).{0,40}exceed|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)
TOO_LONG_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded", "string_above_max_length"}
)
KEY_LIKE = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}|\b(?:sk|pk|xai|gsk|key|api|dapi|AIza)[-_]?[A-Za-z0-9_*-]{12,}")
TRY_AGAIN = re.compile(r"(?:try again|retry) in (?:(\d+)m)?(?:(\d+(?:\.\d+)?)s|(\d+(?:\.\d+)?)ms)", re.IGNORECASE)
REFUSED = re.compile(
    r"unsupported|not support|unknown|unrecognized|unexpected|not permitted|not allowed|deprecated|no longer|invalid param", re.IGNORECASE
)
REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-goog-request-id")
KNOWN_AS_ID = frozenset(REQUEST_ID_HEADERS)
TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)


def error_from(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    model: str | None = None,
    provider: str | None = None,
    secrets: Iterable[str] = (),
) -> LMError:
    """The error for an answer with this status, headers (names in lower case) and body.

    The message is the provider's own, cut to 2,000 characters, without anything in it that is or looks like a key.

    >>> error_from(429, {"retry-after": "1.5"}, b'{"error": {"message": "slow down"}}').retry_after
    1.5
    """
    text, code, param = _read(body)
    code = code or headers.get("x-amzn-errortype", "").partition(":")[0] or None
    message = KEY_LIKE.sub(lambda m: (m[1] or "") + "***", scrub(text, secrets))[:MAX_MESSAGE] or f"HTTP {status} with an empty body"
    if param and param not in message:
        message = f"{message} (parameter `{param}`)"
    details: dict[str, Any] = {
        "model": model,
        "provider": provider,
        "provider_code": code,
        "status": status,
        "request_id": request_id_of(headers),
        "retry_after": retry_after(headers, text if status == 429 else ""),
    }
    if status in (400, 413, 422, 500) and (code in TOO_LONG_CODES or TOO_LONG.search(text)):
        return ContextWindowExceededError(message=message, **details)
    return _class_of(status)(message, **details)


def unfollowed(http: HttpResponse, facts: ModelFacts, url: str) -> LMUnexpectedError:
    """The error for a redirect that is not followed, because the key and the prompt would go to a place that nobody named."""
    told = http.headers.get("location")
    try:
        there = shown(urljoin(url, told)) if told else ""
    except ValueError:
        there = ""
    where = f"redirects to {there!r}" if there else "redirects, and does not say where to"
    return unexpected(
        f"{shown(url)!r} {where} (HTTP {http.status}). whet does not follow a redirect to another place; if it is the right one, name it: "
        "`api_base=`.",
        http,
        facts,
    )


def unexpected(text: str, http: HttpResponse, facts: ModelFacts, **more: Any) -> LMUnexpectedError:
    """The error for an answer that is none, with all that is known of the exchange."""
    request_id = request_id_of(http.headers)
    return LMUnexpectedError(text, model=facts.full_name, provider=facts.provider, status=http.status, request_id=request_id, **more)


def _class_of(status: int) -> type[LMError]:
    if known := BY_STATUS.get(status):
        return known
    if 400 <= status < 500:
        return LMInvalidRequestError
    return LMServerError if status >= 500 else LMUnexpectedError


def _read(body: bytes) -> tuple[str, str | None, str | None]:
    """Message, code and named parameter of an error body in any of the forms in use."""
    text = body[:20_000].decode("utf-8", "replace").strip()
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return (" ".join(TAG.sub(" ", text).split()) if text.startswith("<") else text), None, None
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return text, None, None
    inner = data.get("error")
    if isinstance(inner, str):
        return inner, _word(data.get("code")), None
    found = inner if isinstance(inner, dict) else data
    message = found.get("message") or found.get("detail") or found.get("Message") or found.get("msg") or text
    code = _word(found.get("code")) or _word(found.get("status")) or _word(found.get("type"))
    return (message if isinstance(message, str) else json.dumps(message)) + _delay_hint(found), code, _word(found.get("param"))


def _delay_hint(found: Mapping[str, Any]) -> str:
    """Google puts the delay among the details; as words, it is read like everybody's."""
    details = found.get("details")
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict) and isinstance(item.get("retryDelay"), str):
            return f" Please retry in {item['retryDelay']}."
    return ""


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The provider's own name for this exchange, for its support desk."""
    if not KNOWN_AS_ID.isdisjoint(headers):
        for name in REQUEST_ID_HEADERS:
            if value := headers.get(name):
                return value
    return None


def retry_after(headers: Mapping[str, str], text: str = "") -> float | None:
    """Seconds to wait: from `retry-after-ms`, `retry-after` (seconds or a date), or a sentence such as "try again in 1.2s".

    >>> retry_after({"retry-after-ms": "250"}), retry_after({}, "Please try again in 1m2.5s.")
    (0.25, 62.5)
    """
    try:
        if millis := headers.get("retry-after-ms"):
            return max(0.0, float(millis) / 1000)
        if value := headers.get("retry-after"):
            return max(0.0, float(value)) if value[0].isdigit() or value[0] == "." else _until(value)
    except (ValueError, TypeError, IndexError):
        return None
    if found := TRY_AGAIN.search(text):
        minutes, seconds, millis = found.groups()
        return int(minutes or 0) * 60 + float(seconds or 0) + float(millis or 0) / 1000
    return None


def _until(date: str) -> float:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few servers write a date, and it costs 5 ms

    moment = parsedate_to_datetime(date)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def rejected_option(error: LMError, options: Iterable[str]) -> str | None:
    """Which of the options that were sent this 400 complains about, so that the call can be made once more without it.

    >>> error = LMInvalidRequestError("Unsupported parameter: 'temperature' is not supported with this model.", status=400)
    >>> rejected_option(error, ["max_tokens", "temperature"])
    'temperature'
    """
    if error.status not in (400, 422) or isinstance(error, ContextWindowExceededError) or not REFUSED.search(error.message):
        return None
    for name in options:
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", error.message):
            return name
    return None
