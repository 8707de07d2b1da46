"""A task with hidden rules that the feedback gives away, and a scripted model that goes by its prompt and writes instructions."""

from __future__ import annotations

import re
import time
from typing import Any

from whet.core.records import Example, Score
from whet.testing.scripted import ScriptedLM

KINDS = 6


def rows(n: int, start: int = 0) -> list[Example]:
    return [Example(case=f"case {i} of kind {i % KINDS}", verdict=f"v{i % KINDS}").with_inputs("case") for i in range(start, start + n)]


def metric(example: Any, prediction: Any, trace: Any = None) -> Score:
    right = example.verdict == prediction.verdict
    kind = example.case.split()[-1]
    return Score(value=float(right), feedback="Right." if right else f"Wrong. RULE-{kind} says {example.verdict}.")


def answer(request: Any) -> dict[str, str]:
    text = request.messages[-1].text
    if "new_instruction" in text:
        return {"new_instruction": written(text, request.rollout_id or 0)}
    if "faulty_step" in text:
        return {"faulty_step": "none that I can name"}
    kind = int(re.findall(r"of kind (\d)", text)[-1])
    number = int(re.findall(r"case (\d+)", text)[-1])
    instruction = request.messages[0].text
    shown = "".join(m.text for m in request.messages[1:-1])
    sure = f"RULE-{kind}" in instruction or (f"of kind {kind}" in shown and number % 3 != 0) or number % 7 == 0
    return {"verdict": f"v{kind}" if sure else "v?"}


def written(text: str, rollout: int) -> str:
    old = re.findall(r"## current_instruction ## \]\]\n(.*?)\n\n\[\[", text, re.S)[-1]
    rules = sorted({r for r in re.findall(r"RULE-\d", text) if r not in old})
    return f"{old} Mind {rules[rollout % len(rules)]}." if rules else f"{old} Take care ({rollout % 97})."


def model(seconds: float = 0.0, **options: Any) -> ScriptedLM:
    def slowly(request: Any) -> dict[str, str]:
        time.sleep(seconds)
        return answer(request)

    return ScriptedLM(slowly if seconds else answer, **options)


def blind(**options: Any) -> ScriptedLM:
    """A model that nothing helps: right for every third case, whatever the prompt says."""

    def answer_blindly(request: Any) -> dict[str, str]:
        text = request.messages[-1].text
        if "new_instruction" in text:
            return {"new_instruction": written(text, request.rollout_id or 0)}
        number = int(re.findall(r"case (\d+)", text)[-1])
        return {"verdict": f"v{number % KINDS}" if (number * 2654435761) % 2**32 % 3 == 0 else "v?"}

    return ScriptedLM(answer_blindly, **options)
