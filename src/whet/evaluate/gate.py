"""The gate of a build: is this evaluation good enough, and no worse than the one before."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from whet.core.whole import write_whole
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.evaluate.changes import RunDiff, check_run, diff
from whet.evaluate.row import EvaluationResult

__all__ = ["Gate", "check", "check_bar", "write_junit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The outcome: `passed`, and the `reasons` why not, one sentence each.

    >>> Gate(result=None, reasons=("The mean 0.50 is below 0.80.",)).passed
    False
    """

    result: EvaluationResult
    reasons: tuple[str, ...]
    diff: RunDiff | None = None

    @property
    def passed(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons

    @property
    def remarks(self) -> list[str]:
        """What the gate did not look at: rows that only one of the two runs has."""
        sides = (("the baseline", self.diff.only_before), ("this run", self.diff.only_after)) if self.diff is not None else ()
        return [f"{counted(len(rows), 'row')} in {side} only, not compared." for side, rows in sides if rows]

    def __str__(self) -> str:
        head = "passed" if self.passed else "FAILED"
        return "\n".join([f"{head}: {self.result.summary()}", *(f"- {line}" for line in (*self.reasons, *self.remarks))])


def check(
    result: EvaluationResult,
    *,
    baseline: EvaluationResult | None = None,
    tolerance: float = 0.0,
    min_score: float | None = None,
    max_failures: int | None = None,
) -> Gate:
    """Hold an evaluation against a bar.

    `min_score` is the least mean (0 to 1); with a `baseline`, the mean over the examples of both may be lower by `tolerance` at most, and
    a larger loss that is no more than chance is still a loss: rows are the same, so the gate does not guess. `max_failures` is how many
    rows may be something else than `ok` (default: any number). An interrupted evaluation never passes.
    Raises `ConfigurationError` for a bar that no evaluation can be held against.

    >>> import whet
    >>> rows = [whet.Example(question=q, answer=a).with_inputs("question") for q, a in (("2+2?", "4"), ("3+3?", "6"))]
    >>> result = whet.Evaluate(devset=rows, metric=whet.evaluate.answer_exact_match)(lambda question: whet.Prediction(answer="4"))
    >>> check(result, min_score=0.5).passed, check(result, min_score=0.8).reasons
    (True, ('The mean is 0.5000; at least 0.8000 is asked for.',))
    """
    check_bar(tolerance=tolerance, min_score=min_score, max_failures=max_failures)
    check_run(result)
    reasons = [] if result.complete else ["The evaluation was interrupted."]
    mean = result.mean
    if mean is None:
        reasons.append("No row counts.")
    elif min_score is not None and mean.value < min_score:
        reasons.append(f"The mean is {mean.value:.4f}; at least {min_score:.4f} is asked for.")
    failures = len(result.errors)
    if max_failures is not None and failures > max_failures:
        reasons.append(f"{counted(failures, 'row')} failed; at most {max_failures} may.")
    changes = diff(baseline, result) if baseline is not None else None
    if changes is not None and changes.comparison is not None and changes.comparison.effect.value < -tolerance - 1e-12:
        lost, rows = -changes.comparison.effect.value, counted(len(changes.worsened), "row")
        worst = ", ".join(str(c.index) for c in changes.worsened[:5])
        reasons.append(
            f"The mean fell by {lost:.4f} against the baseline, and {tolerance:g} is allowed; {rows} got worse "
            f"(first: {worst}). {changes.comparison.verdict}"
        )
    return Gate(result=result, reasons=tuple(reasons), diff=changes)


def check_bar(*, tolerance: float = 0.0, min_score: float | None = None, max_failures: int | None = None) -> None:
    """Raise `ConfigurationError` for a bar that no evaluation can be held against."""
    if max_failures is not None and max_failures < 0:
        raise ConfigurationError(f"`max_failures` is {max_failures}; it is at least 0.")
    if not tolerance >= 0:
        raise ConfigurationError(f"`tolerance` is {tolerance}; it is at least 0.")
    if min_score is not None and not 0 <= min_score <= 1:
        share = f": {min_score:g} % is {min_score / 100:g}" if 1 < min_score <= 100 else ""
        raise ConfigurationError(f"`min_score` is {min_score:g}; means lie between 0 and 1{share}.")


def write_junit(gate: Gate, path: Any, name: str = "whet eval") -> None:
    """Write the gate and every row as JUnit XML, which build servers show: a lost bar is a failure, and then a row that failed an error.

    Where the gate is passed, rows that failed are skipped tests: a build server that reads the file comes to the same end as the exit
    status.
    """
    rows = gate.result.rows
    failed, kind = sum(row.status != "ok" for row in rows), "skipped" if gate.passed else "error"
    name = _legal(name)
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(rows) + 1),
        failures=str(int(not gate.passed)),
        errors=str(0 if gate.passed else failed),
        skipped=str(failed if gate.passed else 0),
        time=f"{sum(row.seconds for row in rows):.3f}",
    )
    case = ElementTree.SubElement(suite, "testcase", classname=name, name="gate", time="0.000")
    if not gate.passed:
        ElementTree.SubElement(case, "failure", type="gate", message=_legal(gate.reasons[0])).text = _legal("\n".join(gate.reasons))
    ElementTree.SubElement(case, "system-out").text = _legal(str(gate))
    for row in rows:
        label = f"example {row.index}" + (f" run {row.repeat}" if row.repeat else "")
        case = ElementTree.SubElement(suite, "testcase", classname=f"{name}.rows", name=label, time=f"{row.seconds:.3f}")
        if row.status != "ok":
            text = row.reason or row.status
            # Some servers show the attribute, some the text of the element.
            ElementTree.SubElement(case, kind, type=row.status, message=_legal(text)).text = _legal(text)
        elif row.score is not None:
            ElementTree.SubElement(case, "system-out").text = f"score {row.score.value:g}"
    tree = ElementTree.ElementTree(suite)
    ElementTree.indent(tree)
    page = io.BytesIO()
    tree.write(page, encoding="utf-8", xml_declaration=True)
    write_whole(Path(path), page.getvalue().decode(), shared=True)


def _legal(text: str) -> str:
    # XML 1.0 has no place for control characters and halves of characters, which answers of models do contain.
    return "".join(
        char if char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char != "\ufffe" and char != "\uffff" else "\ufffd"
        for char in text
    )
