"""`experimental`: says in a docstring that something may change."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["experimental"]


def experimental(target: Any = None, *, version: str | None = None) -> Any:
    """Mark a function or class as experimental, with or without the version that brought it.

    >>> @experimental(version="0.2")
    ... def new():
    ...     '''Do something new.'''
    >>> print(new.__doc__)
    Experimental: This function may change or be removed in a future release without warning (introduced in v0.2).
    <BLANKLINE>
    Do something new.
    """
    if target is None:
        return _marking(version)
    return _marking(version)(target)


def _marking(version: str | None) -> Callable[[Any], Any]:
    def mark(target: Any) -> Any:
        kind = "class" if inspect.isclass(target) else "function"
        since = f" (introduced in v{version})" if version else ""
        notice = f"Experimental: This {kind} may change or be removed in a future release without warning{since}."
        old = inspect.cleandoc(target.__doc__) if target.__doc__ else ""
        target.__doc__ = f"{notice}\n\n{old}" if old else notice
        return target

    return mark
