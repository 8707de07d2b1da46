"""Old names for things that are called otherwise now."""

from __future__ import annotations

from typing import Any

from whet.core.context import current
from whet.errors import WhetError
from whet.lm.inspect import print_history
from whet.modules.module import Module

__all__ = ["BaseModule", "DSPyError", "inspect_history"]

BaseModule = Module
DSPyError = WhetError


def inspect_history(n: int = 1, file: Any = None) -> None:
    """Print the last `n` model calls of this process; to `file` without colours."""
    print_history(current().history, n, file)
