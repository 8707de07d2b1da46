"""Old names for things that are called otherwise now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from whet.core.context import current
from whet.errors import WhetError
from whet.lm.inspect import print_history
from whet.modules.module import Module

__all__ = ["BaseModule", "DSPyError", "deduplicate", "inspect_history"]

T = TypeVar("T")
BaseModule = Module
DSPyError = WhetError


def inspect_history(n: int = 1, file: Any = None) -> None:
    """Print the last `n` model calls of this process; to `file` without colours."""
    print_history(current().history, n, file)


def deduplicate(values: Iterable[T]) -> list[T]:
    """The values in their order, each once.

    >>> deduplicate(["b", "a", "b"])
    ['b', 'a']
    """
    return list(dict.fromkeys(values))
