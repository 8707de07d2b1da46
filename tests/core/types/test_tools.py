"""Calls of tools and their results as values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whet.core.types.tools import ToolCall, ToolCallResults, ToolCalls
from whet.errors import InputError

ROW = {"name": "look", "value": 3}


@pytest.mark.parametrize("given", [ROW, [ROW], (ROW,), {"tool_call_results": [ROW]}, ToolCallResults.validated(ROW)])
def test_results_are_read_from_every_form_that_they_have(given: Any) -> None:
    results = ToolCallResults.validated(given)
    assert len(results) == 1 and results.tool_call_results[0].value == 3


@pytest.mark.parametrize("given", [3, "look", None, {"name": "look"}, {"tool_call_results": "look"}])
def test_what_is_no_result_is_refused_with_what_would_fit(given: Any) -> None:
    with pytest.raises(InputError, match="Tool results are a list, or a dict with `tool_call_results`"):
        ToolCallResults.validated(given)


def test_a_call_is_shown_and_written_with_what_it_has() -> None:
    plain, known = ToolCall(name="look", args={"x": 1}), ToolCall(name="look", args={"x": 1}, id="c1")
    assert plain.format() == known.format() == plain.model_dump() == {"name": "look", "args": {"x": 1}}
    assert json.loads(known.model_dump_json()) == known.model_dump() == {"name": "look", "args": {"x": 1}, "id": "c1"}
    assert ToolCalls.validated(ToolCalls([plain, known]).model_dump()).tool_calls == [plain, known]
