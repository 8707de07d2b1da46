"""Request parameters that are numbers: what no server takes is refused before one is asked.

A server names the parameter that it refuses, and the call is then made, and paid for, without it; so a slip would cost what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from whet.errors import ConfigurationError

__all__ = ["LIMITS", "check_sampling"]

LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_NUMBERS: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty")


def check_sampling(options: Mapping[str, Any], *, endless: bool = False) -> None:
    """Raise `ConfigurationError` for a number that is none, and for a limit on tokens below 1; `endless`: -1 stands for no limit.

    >>> check_sampling({"temperature": 0.5, "max_tokens": 300, "top_p": None})
    >>> check_sampling({"temperature": "hot"})
    Traceback (most recent call last):
    whet.errors.ConfigurationError: `temperature` is a number, or None to leave it to the provider; got 'hot'.
    """
    for name in _NUMBERS:
        if (value := options.get(name)) is not None and not _is_number(value):
            raise ConfigurationError(f"`{name}` is a number, or None to leave it to the provider; got {value!r}.")
    for name in LIMITS:
        if (value := options.get(name)) is not None and not _is_limit(value, endless):
            raise ConfigurationError(f"`{name}` is an integer of at least 1, or None for no limit; got {value!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_limit(value: Any, endless: bool) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (value >= 1 or (endless and value < 0))
