"""Every error that whet raises on purpose, in one tree.

WhetError
├── SignatureError (ValueError)          a signature, a field or a type that cannot work
├── InputError (TypeError, ValueError)   a call with missing, unknown or ill-typed inputs
├── ConfigurationError (ValueError)      settings, arguments and options that cannot work
│   └── PreconditionError (AssertionError)   ... which DSPy checks with `assert`
├── MissingExtraError (ImportError)      an optional package is needed; the message names the extra
├── SchemaError (ValueError)             a value does not fit a type: field, value and what would fit
├── AdapterParseError                    an answer that could not be read: raw text, field, reason, usage
│   └── TruncatedError                   ... because the model stopped at its token limit
├── AssertionFailed                      a `whet.Assert` that stayed false
├── EvaluationError                      an evaluation or optimization that had to stop
├── BudgetExceeded                       a cap on calls, tokens, money or seconds was reached
├── TrainingError (RuntimeError)         a training of weights that failed, was cancelled or was killed
├── StateError (ValueError)              a saved file that does not fit
├── CodeInterpreterError (RuntimeError)  the sandbox failed
│   └── CodeExecutionError               ... because the code inside it raised
├── ToolError (RuntimeError)             a tool could not be run
└── LMError                              a call of a model failed
    ├── LMTransportError                 no answer came back
    ├── LMConfigurationError             the request cannot be sent as it is
    │   └── LMNotConfiguredError         ... because a key or an endpoint is missing
    ├── LMUnsupportedFeatureError        the model cannot do what was asked
    ├── LMUnexpectedError                anything else, such as an answer that is no JSON
    └── LMProviderError                  the provider answered with an error
        ├── LMAuthError                  401, 403
        ├── LMBillingError               402
        ├── LMRateLimitError             429
        ├── LMInvalidRequestError        other 4xx
        │   └── ContextWindowExceededError
        ├── LMUnsupportedModelError      404
        ├── LMTimeoutError               408 and time limits
        └── LMServerError                5xx
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AdapterParseError", "AssertionFailed", "BudgetExceeded", "CodeExecutionError", "CodeInterpreterError", "ConfigurationError",
    "ContextWindowExceededError", "EvaluationError", "InputError", "LMAuthError", "LMBillingError", "LMConfigurationError", "LMError",
    "LMInvalidRequestError", "LMNotConfiguredError", "LMNotRecordedError", "LMProviderError", "LMRateLimitError", "LMServerError",
    "LMTimeoutError", "LMTransportError", "LMUnexpectedError", "LMUnsupportedFeatureError", "LMUnsupportedModelError",
    "MissingExtraError", "PreconditionError", "SchemaError", "SignatureError", "StateError", "ToolError", "TrainingError",
    "TruncatedError", "WhetError", "is_retryable_lm_error",
]  # fmt: skip


# So many characters of an answer are shown in the text of an error.
_RAW_SHOWN = 4000


class WhetError(Exception):
    """Base of every error that whet raises.

    The attributes say what is known about the failed call; each is `None` where it is not known.
    """

    code: str = "error"

    def __init__(  # noqa: PLR0913 - each detail is keyword-only and may be unknown
        self,
        message: str = "",
        *,
        model: str | None = None,
        provider: str | None = None,
        provider_code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.model = model
        self.provider = provider
        self.provider_code = provider_code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class SignatureError(WhetError, ValueError):
    """A signature, a field or a type that cannot work."""

    code = "signature"


class InputError(WhetError, TypeError, ValueError):
    """A call with missing, unknown or ill-typed inputs."""

    code = "input"


class ConfigurationError(WhetError, ValueError):
    """Settings, arguments or options that cannot work; raised before the first paid call."""

    code = "configuration"


class PreconditionError(ConfigurationError, AssertionError):
    """A `ConfigurationError` that programs written for DSPy catch as an `AssertionError`; unlike an `assert`, `python -O` leaves it in."""


class MissingExtraError(WhetError, ImportError):
    """A feature needs an optional package that is not installed."""

    code = "missing_extra"

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs the package `{package}`. Install it with: pip install 'whet[{extra}]'")
        self.feature, self.package, self.extra = feature, package, extra


class SchemaError(WhetError, ValueError):
    """A value that does not fit a type.

    `path` is where inside the value (`"author.tags[0]"`, empty for the value itself), `value` what was there,
    `expected` what would fit.
    """

    code = "schema"

    def __init__(self, message: str, *, path: str = "", value: Any = None, expected: str = "") -> None:
        super().__init__(message)
        self.path, self.value, self.expected = path, value, expected


class AdapterParseError(WhetError):
    """An answer of a model that could not be read as the signature's outputs.

    Keeps `adapter_name`, `signature`, `lm_response` (the raw text), `parsed_result` (what could be read), `field` and
    `reason` (what went wrong where), `usage` (what the call cost) and `finish_reason`.
    """

    code = "parse"

    def __init__(  # noqa: PLR0913 - the positional ones are those that programs written for DSPy pass
        self,
        adapter_name: str,
        signature: Any,
        lm_response: str | None,
        message: str | None = None,
        parsed_result: dict[str, Any] | None = None,
        *,
        field: str | None = None,
        reason: str | None = None,
        usage: Any = None,
        finish_reason: str | None = None,
    ) -> None:
        self.adapter_name = adapter_name
        self.signature = signature
        self.lm_response = lm_response
        self.parsed_result = parsed_result
        self.field = field
        self.reason = reason
        self.usage = usage
        self.finish_reason = finish_reason
        super().__init__(self._text(message))

    def _text(self, message: str | None) -> str:
        wanted = list(self.signature.output_fields) if self.signature is not None else []
        text, raw = f"{message}\n\n" if message else "", str(self.lm_response)
        if len(raw) > _RAW_SHOWN:
            raw = f"{raw[: _RAW_SHOWN - 500]} ... [{len(raw) - _RAW_SHOWN:,} characters left out; `lm_response` has all] ... {raw[-500:]}"
        text += f"Adapter {self.adapter_name} failed to parse the LM response. \n\nLM Response: {raw} \n\n"
        text += f"Expected to find output fields in the LM response: [{', '.join(wanted)}] \n\n"
        if self.parsed_result is not None:
            text += f"Actual output fields parsed from the LM response: [{', '.join(self.parsed_result)}] \n\n"
        return text


class TruncatedError(AdapterParseError):
    """The model stopped at its token limit; `lm_response` holds the partial text."""

    code = "truncated"


class AssertionFailed(WhetError, AssertionError):
    """A `whet.Assert` stayed false after all its retries; `attempts` holds each of them."""

    code = "assertion"

    def __init__(self, message: str, *, attempts: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.attempts = attempts


class EvaluationError(WhetError):
    """An evaluation or a search that had to stop; `partial` holds what was finished."""

    code = "evaluation"

    def __init__(self, message: str, *, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class BudgetExceeded(WhetError):
    """A cap on calls, tokens, money or seconds was reached; `spent` and `limit` say which."""

    code = "budget"

    def __init__(self, message: str, *, spent: Any = None, limit: Any = None) -> None:
        super().__init__(message)
        self.spent, self.limit = spent, limit


class TrainingError(WhetError, RuntimeError):
    """A training of weights that failed, was cancelled or was killed; `job` is its name at a service, `log` holds its last words."""

    code = "training"

    def __init__(self, message: str = "", *, job: str | None = None, log: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.job, self.log = job, log


class StateError(WhetError, ValueError):
    """A saved file that does not fit the program; `drift` lists the differences, one sentence each."""

    code = "state"

    def __init__(self, message: str, *, drift: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.drift = drift


class CodeInterpreterError(WhetError, RuntimeError):
    """The sandbox could not run the code."""

    code = "interpreter"


class CodeExecutionError(CodeInterpreterError):
    """The code inside the sandbox raised; `printed` is what it had printed until then."""

    code = "execution"
    printed: str = ""


class ToolError(WhetError, RuntimeError):
    """A tool could not be run."""

    code = "tool"


class LMError(WhetError):
    """A call of a language model failed.

    `usage` and `cost` tell what the failed call had already cost, `attempts` how many requests were sent. `streamed` is true when the
    caller had already been given the beginning of the answer; such a call is never made again.
    """

    code = "lm"
    retryable: ClassVar[bool] = False
    advice: ClassVar[str] = ""

    def __init__(self, message: str = "", *, model: str | None = None, **details: Any) -> None:
        self.usage: Any = details.pop("usage", None)
        self.cost: float | None = details.pop("cost", None)
        self.attempts: int = details.pop("attempts", 1)
        self.streamed: bool = details.pop("streamed", False)
        super().__init__(message, model=model, **details)

    def __str__(self) -> str:
        text = f"[{self.model}] {self.message}" if self.model else self.message
        facts = [f"HTTP {self.status}"] if self.status is not None and f"HTTP {self.status}" not in text else []
        facts += [f"asked to wait {self.retry_after:g} s"] if self.retry_after is not None else []
        facts += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        text += f" ({', '.join(facts)})" if facts else ""
        return f"{text}. {self.advice}" if self.advice and self.status is not None else text


class LMTransportError(LMError):
    """No answer came back: connection refused, reset or closed too early."""

    code = "transport"
    retryable = True


class LMConfigurationError(LMError, ValueError):
    """The request cannot be sent as it is."""

    code = "configuration"


class LMNotConfiguredError(LMConfigurationError):
    """A key, an endpoint or a provider is missing."""

    code = "not_configured"


class LMNotRecordedError(LMConfigurationError):
    """A cassette that only replays does not hold this request."""

    code = "not_recorded"


class LMUnsupportedFeatureError(LMError):
    """The model cannot do what was asked; `features` and `issues` say what."""

    code = "unsupported_feature"

    def __init__(self, message: str = "", *, features: list[str] | None = None, issues: list[str] | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.features = list(features or [])
        self.issues = list(issues or [])


class LMUnexpectedError(LMError):
    """Something else went wrong, such as an answer that is no JSON."""

    code = "unexpected"


class LMProviderError(LMError):
    """The provider answered with an error."""

    code = "provider"


class LMAuthError(LMProviderError):
    """401 or 403: the key is missing, wrong or not allowed."""

    code = "auth"
    advice = "Is the API key right (`api_key=`, or the variable that `whet doctor --all` names), and may it use this model?"


class LMBillingError(LMProviderError):
    """402: the account cannot pay."""

    code = "billing"
    advice = "Check the account's balance at the provider."


class LMRateLimitError(LMProviderError):
    """429; `retry_after` is in seconds where the provider said so."""

    code = "rate_limit"
    advice = "Where waiting helps: fewer calls at once (`max_concurrency=`), or more `num_retries=`."
    retryable = True


class LMInvalidRequestError(LMProviderError):
    """Another 4xx: the provider rejects the request."""

    code = "invalid_request"


class ContextWindowExceededError(LMInvalidRequestError):
    """The prompt is too long for the model."""

    code = "context_window_exceeded"

    def __init__(self, model: str | None = None, message: str = "Context window exceeded", **details: Any) -> None:
        super().__init__(message, model=model, **details)


class LMUnsupportedModelError(LMProviderError):
    """404: there is no such model at this provider."""

    code = "unsupported_model"
    advice = "Check the model's name and `api_base=`."


class LMTimeoutError(LMProviderError):
    """408, or a time limit passed."""

    code = "timeout"
    retryable = True


class LMServerError(LMProviderError):
    """5xx: the provider failed."""

    code = "server"
    advice = "The fault is the server's: try later, or raise `num_retries=`."
    retryable = True


def is_retryable_lm_error(error: BaseException) -> bool:
    """Whether a second try of the same call may succeed: rate limit, timeout, server and transport errors only.

    >>> is_retryable_lm_error(LMServerError("overloaded")), is_retryable_lm_error(LMAuthError("bad key"))
    (True, False)
    """
    return isinstance(error, LMError) and type(error).retryable
