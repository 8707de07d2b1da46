"""What a docstring says; instructions and descriptions of tools are taken from it."""

from __future__ import annotations

import inspect
import sys
import warnings
from functools import cache

__all__ = ["docstring_text"]


def docstring_text(doc: str | None) -> str:
    """A docstring without its indentation; empty for none, which is told once where Python has thrown all of them away.

    >>> docstring_text("    Answer briefly.")
    'Answer briefly.'
    """
    if doc:
        return inspect.cleandoc(doc)
    if sys.flags.optimize > 1:
        _tell_that_they_are_gone()
    return ""


@cache
def _tell_that_they_are_gone() -> None:
    warnings.warn(
        "Python runs with -OO (PYTHONOPTIMIZE=2), which removes docstrings: signatures and tools that say what they do in one, whet's own "
        "among them, now say nothing, and prompts are worse for it. Run with -O at most.",
        RuntimeWarning,
        stacklevel=3,
    )
