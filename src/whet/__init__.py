"""Program language models instead of prompting them: declare a step, pick a module, say what is good, let an optimizer improve it.

Every public name is listed here, sorted, with the module that holds it, and is imported when it is first used, so that
`import whet` costs a few milliseconds. To add a name: one line in `_HOMES` and one in the block for type checkers
(`tests/test_house_rules.py` says which line is missing).
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # the checkers read this name as true; importing it from `typing` would cost what all of `whet` costs
if TYPE_CHECKING:
    from whet.errors import (
        AdapterParseError as AdapterParseError,
        AssertionFailed as AssertionFailed,
        BudgetExceeded as BudgetExceeded,
        CodeExecutionError as CodeExecutionError,
        CodeInterpreterError as CodeInterpreterError,
        ConfigurationError as ConfigurationError,
        ContextWindowExceededError as ContextWindowExceededError,
        EvaluationError as EvaluationError,
        InputError as InputError,
        LMAuthError as LMAuthError,
        LMBillingError as LMBillingError,
        LMConfigurationError as LMConfigurationError,
        LMError as LMError,
        LMInvalidRequestError as LMInvalidRequestError,
        LMNotConfiguredError as LMNotConfiguredError,
        LMProviderError as LMProviderError,
        LMRateLimitError as LMRateLimitError,
        LMServerError as LMServerError,
        LMTimeoutError as LMTimeoutError,
        LMTransportError as LMTransportError,
        LMUnexpectedError as LMUnexpectedError,
        LMUnsupportedFeatureError as LMUnsupportedFeatureError,
        LMUnsupportedModelError as LMUnsupportedModelError,
        MissingExtraError as MissingExtraError,
        SchemaError as SchemaError,
        SignatureError as SignatureError,
        StateError as StateError,
        ToolError as ToolError,
        TruncatedError as TruncatedError,
        WhetError as WhetError,
        is_retryable_lm_error as is_retryable_lm_error,
    )

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "AdapterParseError": "whet.errors",
    "AssertionFailed": "whet.errors",
    "BudgetExceeded": "whet.errors",
    "CodeExecutionError": "whet.errors",
    "CodeInterpreterError": "whet.errors",
    "ConfigurationError": "whet.errors",
    "ContextWindowExceededError": "whet.errors",
    "EvaluationError": "whet.errors",
    "InputError": "whet.errors",
    "LMAuthError": "whet.errors",
    "LMBillingError": "whet.errors",
    "LMConfigurationError": "whet.errors",
    "LMError": "whet.errors",
    "LMInvalidRequestError": "whet.errors",
    "LMNotConfiguredError": "whet.errors",
    "LMProviderError": "whet.errors",
    "LMRateLimitError": "whet.errors",
    "LMServerError": "whet.errors",
    "LMTimeoutError": "whet.errors",
    "LMTransportError": "whet.errors",
    "LMUnexpectedError": "whet.errors",
    "LMUnsupportedFeatureError": "whet.errors",
    "LMUnsupportedModelError": "whet.errors",
    "MissingExtraError": "whet.errors",
    "SchemaError": "whet.errors",
    "SignatureError": "whet.errors",
    "StateError": "whet.errors",
    "ToolError": "whet.errors",
    "TruncatedError": "whet.errors",
    "WhetError": "whet.errors",
    "is_retryable_lm_error": "whet.errors",
}

_PACKAGES = frozenset({"adapters", "datasets", "errors", "evaluate", "testing"})

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll] - one table, not two


if not TYPE_CHECKING:  # so that a checker reports `whet.Predcit`

    def __getattr__(name: str) -> object:
        """Import `name` from its home, once (PEP 562)."""
        if name in _HOMES:
            value: object = getattr(import_module(_HOMES[name]), name)
            globals()[name] = value
            return value
        if name in _PACKAGES:
            return import_module(f"whet.{name}")
        raise AttributeError(f"module 'whet' has no attribute {name!r}{_nearest(name)}")


def __dir__() -> list[str]:
    """The public names and the packages that `whet.` completes to."""
    return sorted({*__all__, *_PACKAGES})


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt name pays for it

    close = get_close_matches(name, __dir__(), n=1)
    return f"; did you mean `whet.{close[0]}`?" if close else ""
