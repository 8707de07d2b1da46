"""Switches for assertions that older programs set; here assertions are always on."""

from __future__ import annotations

from typing import Any

from whet.errors import AssertionFailed

__all__ = ["DSPyAssertionError", "DSPySuggestionError", "Retry", "assert_transform_module", "backtrack_handler"]

DSPyAssertionError = DSPySuggestionError = AssertionFailed


def assert_transform_module(module: Any, handler: Any = None, **options: Any) -> Any:
    """The module itself: `whet.Assert` and `whet.Suggest` work in every `forward`, without a transformation."""
    return module


def backtrack_handler(function: Any = None, **options: Any) -> Any:
    """The function itself; backtracking is how assertions always work."""
    return function


def Retry(module: Any) -> Any:
    """The module itself, which can be asked again without a wrapper: `program.map_named_predictors(Retry)` changes nothing."""
    return module
