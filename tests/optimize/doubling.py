"""A task whose right answers depend on the demos in the prompt, for tests: a counting scripted model, rows, a metric."""

from __future__ import annotations

import re
import time
from typing import Any

from whet.core.records import Example
from whet.testing.scripted import ScriptedLM


def rows(n: int, start: int = 0) -> list[Example]:
    return [Example(question=f"double the number {i}", answer=str(2 * i)).with_inputs("question") for i in range(start, start + n)]


def exact(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def answer(request: Any) -> dict[str, str]:
    """Right more often with more demos, and always the same for the same prompt."""
    number = int(re.findall(r"number (\d+)", request.messages[-1].text)[-1])
    demos = (len(request.messages) - 2) // 2
    return {"answer": str(number * 2 if (number * 7919) % 17 < 4 + demos else 0)}


def model(seconds: float = 0.0, **options: Any) -> ScriptedLM:
    def slowly(request: Any) -> dict[str, str]:
        time.sleep(seconds)
        return answer(request)

    return ScriptedLM(slowly if seconds else answer, **options)
