"""Judges: programs that score answers no string comparison can. A judge is a metric; calibrate it against people before trusting it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from whet.core.field import InputField, OutputField
from whet.core.flow import Flow, adrive, drive, side_by_side
from whet.core.records import Example, Prediction
from whet.core.signature import Signature
from whet.errors import ConfigurationError, InputError
from whet.modules.chain_of_thought import ChainOfThought
from whet.modules.module import Module

__all__ = [
    "COMPLETE",
    "DECOMPOSED",
    "GROUNDED",
    "OVERLAP",
    "CompleteAndGrounded",
    "PairwiseJudge",
    "RubricJudge",
    "SemanticF1",
    "f1_of",
]

_QUESTION = (str, InputField())
_TRUTH = (str, InputField(desc="a response known to be right"))
_RESPONSE = (str, InputField(desc="the response to be judged"))
_COVERED = (float, OutputField(desc="the share, from 0 to 1, of what the right response says that the judged one says too"))
_CORRECT = (float, OutputField(desc="the share, from 0 to 1, of what the judged response says that the right one bears out"))
_IDEAS = "one line for each separate statement of the {}"

OVERLAP = Signature(
    {"question": _QUESTION, "ground_truth": _TRUTH, "system_response": _RESPONSE, "recall": _COVERED, "precision": _CORRECT},
    "Compare what a response says with what a right response says: how much of the one is in the other, whatever the wording.",
)
DECOMPOSED = Signature(
    {
        "question": _QUESTION,
        "ground_truth": _TRUTH,
        "system_response": _RESPONSE,
        "ground_truth_key_ideas": (str, OutputField(desc=_IDEAS.format("right response"))),
        "system_response_key_ideas": (str, OutputField(desc=_IDEAS.format("judged response"))),
        "discussion": (str, OutputField(desc="which statements match, and which do not")),
        "recall": _COVERED,
        "precision": _CORRECT,
    },
    "List the statements of a right response and of the one to be judged, go through them, and say how far they cover each other.",
)
COMPLETE = Signature(
    {
        "question": _QUESTION,
        "ground_truth": _TRUTH,
        "system_response": _RESPONSE,
        "ground_truth_key_ideas": (str, OutputField(desc=_IDEAS.format("right response"))),
        "system_response_key_ideas": (str, OutputField(desc=_IDEAS.format("judged response"))),
        "discussion": (str, OutputField(desc="which statements of the right response the judged one has")),
        "completeness": _COVERED,
    },
    "Say how complete a response is, measured by the statements of a right one.",
)
GROUNDED = Signature(
    {
        "question": _QUESTION,
        "retrieved_context": (str, InputField(desc="the passages that the response should rest on")),
        "system_response": _RESPONSE,
        "system_response_claims": (str, OutputField(desc="one line for each claim that needs support")),
        "discussion": (str, OutputField(desc="which claims the passages support")),
        "groundedness": (float, OutputField(desc="the share, from 0 to 1, of the claims that the passages support")),
    },
    "Say how much of a response is supported by the passages it was written from.",
)


def f1_of(precision: float, recall: float) -> float:
    """The harmonic mean of two shares, each held between 0 and 1 first.

    >>> f1_of(0.5, 1.7), f1_of(0.0, 0.0)
    (0.6666666666666666, 0.0)
    """
    p, r = _held(precision), _held(recall)
    return 2 * p * r / (p + r) if p + r else 0.0


def _held(share: Any) -> float:
    """A share that a model named, held between 0 and 1. Raises `InputError` for NaN, which is no judgement."""
    if (value := float(share)) != value:
        raise InputError("The judge answered NaN in place of a share from 0 to 1.")
    return min(1.0, max(0.0, value))


def _said(**shares: Any) -> str:
    """What the feedback has to say of shares that were none as the judge gave them: 80 may have meant 80 %."""
    wrong = [f"{name} {float(share):g}" for name, share in shares.items() if not 0 <= float(share) <= 1]
    return f" (The judge gave {', '.join(wrong)}; shares lie between 0 and 1, and it counts as the nearest of them.)" if wrong else ""


def _field(row: Any, name: str, kind: str) -> Any:
    """A field that a judge reads. Raises `InputError` where it is missing, before anything is asked."""
    if not isinstance(row, Example | Mapping):
        return getattr(row, name)
    if name not in row:
        raise InputError(f"The {kind} has no field {name!r}, which this judge reads; it has: {', '.join(row) or 'none'}.")
    return row[name]


def _task(example: Any, judged: str) -> str:
    """What the response was asked for: the inputs of the example; of a plain mapping all but the field that is judged."""
    fields = example.inputs() if isinstance(example, Example) else {name: value for name, value in example.items() if name != judged}
    return "\n".join(f"{name}: {value}" for name, value in fields.items())


class SemanticF1(Module):
    """F1 of what `pred.response` says against `example.response`, as a model judges it; the rows have `question` and `response`.

    With `decompositional=True` the judge first lists the statements of both. The prediction has `score` (and `precision`, `recall`,
    `feedback`); where a trace is given, `score` says whether the F1 reaches `threshold`.

    >>> import whet.testing
    >>> row = whet.Example(question="Who wrote it?", response="Ada Lovelace, in 1843.").with_inputs("question")
    >>> with whet.context(lm=whet.testing.ScriptedLM([{"reasoning": "The year is missing.", "recall": 0.5, "precision": 1.0}])):
    ...     judged = SemanticF1()(row, whet.Prediction(response="Ada Lovelace."))
    >>> round(judged.score, 3), judged.feedback
    (0.667, 'The year is missing.')
    """

    def __init__(self, threshold: float = 0.66, decompositional: bool = False) -> None:
        super().__init__()
        self.threshold = _checked_threshold(threshold)
        self.module = ChainOfThought(DECOMPOSED if decompositional else OVERLAP)

    def flow(self, example: Any, pred: Any, trace: Any = None, *_: Any) -> Flow[Prediction]:
        """One judgement."""
        question, truth = _field(example, "question", "example"), _field(example, "response", "example")
        inputs = {"question": question, "ground_truth": truth, "system_response": _field(pred, "response", "prediction")}
        judged = yield from self.module.run_flow((), inputs)
        score = f1_of(judged.precision, judged.recall)
        why = (judged.get("discussion") or judged.get("reasoning", "")) + _said(recall=judged.recall, precision=judged.precision)
        return _verdict(score, self.threshold, trace, why, precision=_held(judged.precision), recall=_held(judged.recall))


class CompleteAndGrounded(Module):
    """F1 of how complete `pred.response` is against `example.response`, and how well `pred.context` supports it, as a model judges both.

    The prediction has `score`, `completeness`, `groundedness` and `feedback`; where a trace is given, `score` says whether the F1
    reaches `threshold`.

    >>> import whet.testing
    >>> same = {"reasoning": "", "ground_truth_key_ideas": "", "system_response_key_ideas": "", "system_response_claims": ""}
    >>> complete = {**same, "discussion": "The year is missing.", "completeness": 0.5}
    >>> grounded = {**same, "discussion": "The passage says so.", "groundedness": 1.0}
    >>> row = whet.Example(question="Who wrote it?", response="Ada Lovelace, in 1843.").with_inputs("question")
    >>> with whet.context(lm=whet.testing.ScriptedLM({"completeness": complete, "groundedness": grounded})):
    ...     judged = CompleteAndGrounded()(row, whet.Prediction(response="Ada Lovelace.", context=["Lovelace wrote it in 1843."]))
    >>> judged.completeness, judged.groundedness, round(judged.score, 3)
    (0.5, 1.0, 0.667)
    """

    def __init__(self, threshold: float = 0.66) -> None:
        super().__init__()
        self.threshold = _checked_threshold(threshold)
        self.completeness_module = ChainOfThought(COMPLETE)
        self.groundedness_module = ChainOfThought(GROUNDED)

    def flow(self, example: Any, pred: Any, trace: Any = None, *_: Any) -> Flow[Prediction]:
        """Two judgements, side by side."""
        shared = {"question": _field(example, "question", "example"), "system_response": _field(pred, "response", "prediction")}
        truth, found = _field(example, "response", "example"), _field(pred, "context", "prediction")
        context = found if isinstance(found, str) else "\n\n".join(map(str, found))
        complete, grounded = yield from side_by_side(
            partial(self.completeness_module.run_flow, (), {**shared, "ground_truth": truth}),
            partial(self.groundedness_module.run_flow, (), {**shared, "retrieved_context": context}),
        )
        score = f1_of(grounded.groundedness, complete.completeness)
        strange = _said(completeness=complete.completeness, groundedness=grounded.groundedness)
        why = f"{complete.discussion}\n{grounded.discussion}{strange}"
        parts = {"completeness": _held(complete.completeness), "groundedness": _held(grounded.groundedness)}
        return _verdict(score, self.threshold, trace, why, **parts)


def _checked_threshold(threshold: Any) -> float:
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ConfigurationError(f"`threshold` is {threshold!r}; it is held against a share, from 0 to 1.")
    return threshold


def _verdict(score: float, threshold: float, trace: Any, feedback: str, **parts: float) -> Prediction:
    return Prediction({"score": score if trace is None else score >= threshold, "feedback": feedback, **parts})


class PairwiseJudge(Module):
    """Which of two responses is better; asked in both orders, side by side, because models lean to the one they read first (or last).

    As a metric `judge(example, pred)` compares `pred.{field}` with `example.{field}`: 1 when the prediction wins in both orders, 0 when it
    loses in both, 0.5 otherwise. `consistent` says whether both orders agreed; `swap=False` asks once.

    >>> import whet.testing
    >>> lm = whet.testing.ScriptedLM(lambda request: {"reasoning": "I like what I read first.", "better": "first"})
    >>> with whet.context(lm=lm):
    ...     judged = PairwiseJudge().compare("Who wrote it?", "Ada Lovelace.", "A mathematician.")
    >>> judged.winner, judged.consistent
    ('tie', False)
    """

    def __init__(self, criterion: str = "Which response answers the question better?", field: str = "response", swap: bool = True) -> None:
        super().__init__()
        self.field, self.swap = field, swap
        text = "question: str, first_response: str, second_response: str -> better: Literal['first', 'second', 'equal']"
        self.judge = ChainOfThought(Signature(text, f"{criterion} Their order and their length mean nothing."))

    def flow(self, example: Any, pred: Any, trace: Any = None, *_: Any) -> Flow[Prediction]:
        """The prediction against the example's own response."""
        question = example.get("question") or _task(example, self.field)
        mine, other = _field(pred, self.field, "prediction"), _field(example, self.field, "example")
        return (yield from self.compare_flow(question, mine, other))

    def compare(self, question: str, a: str, b: str) -> Prediction:
        """`winner` is "a", "b" or "tie"; `score` is 1, 0 or 0.5 in favour of `a`."""
        return drive(self.compare_flow(question, a, b))

    async def acompare(self, question: str, a: str, b: str) -> Prediction:
        """The same, from async code."""
        return await adrive(self.compare_flow(question, a, b))

    def compare_flow(self, question: str, a: str, b: str) -> Flow[Prediction]:
        """The same, as a flow."""
        orders = [partial(self._ask, question, a, b, {"first": 1.0, "second": 0.0})]
        if self.swap:
            orders.append(partial(self._ask, question, b, a, {"first": 0.0, "second": 1.0}))
        return _winner((yield from side_by_side(*orders)))

    def _ask(self, question: str, first: str, second: str, points: Mapping[str, float]) -> Flow[tuple[float, str]]:
        judged = yield from self.judge.run_flow((), {"question": question, "first_response": first, "second_response": second})
        return points.get(judged.better, 0.5), judged.reasoning


def _winner(judged: Sequence[tuple[float, str]]) -> Prediction:
    values = {value for value, _ in judged}
    score = values.pop() if len(values) == 1 else 0.5
    winner = {1.0: "a", 0.0: "b"}.get(score, "tie")
    return Prediction(score=score, winner=winner, consistent=not values, feedback="\n".join(why for _, why in judged))


class RubricJudge(Module):
    """Grades a response by several criteria, each by itself, from 0 to `best`; the score is their mean as a share, weighted where you say.

    `rubric` maps names to what is asked for. With `swap=True` each criterion is asked twice, with the scale written down from worst to best
    and from best to worst, and the mean is taken. The prediction has `score`, one field per criterion (a share) and `feedback`. The judge
    is shown the inputs of the example as the task, and `pred.{field}` as the response.

    >>> import whet.testing
    >>> lm = whet.testing.ScriptedLM({"polite": {"reasoning": "Friendly.", "grade": 4}, "short": {"reasoning": "Long.", "grade": 2}})
    >>> judge = RubricJudge({"polite": "Is it polite?", "short": "Is it short?"})
    >>> with whet.context(lm=lm):
    ...     judged = judge({"question": "Where is my card?"}, whet.Prediction(response="I am so sorry to hear that ..."))
    >>> judged.polite, judged.short, judged.score
    (1.0, 0.5, 0.75)
    """

    def __init__(
        self,
        rubric: Mapping[str, str],
        field: str = "response",
        best: int = 4,
        swap: bool = False,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(rubric, Mapping):
            raise ConfigurationError(f"A rubric maps names to criteria, {{'clear': 'Is it clear?'}}; got {rubric!r:.80}.")
        if not rubric or not isinstance(best, int) or best < 1:
            raise ConfigurationError(
                f"A rubric has at least one criterion, and a scale of whole numbers from 0 to at least 1; `best` is {best!r}."
            )
        if odd := next((name for name in rubric if not isinstance(name, str) or not isinstance(rubric[name], str)), None):
            raise ConfigurationError(f"A rubric maps names to criteria, {{'clear': 'Is it clear?'}}; {odd!r} is {rubric[odd]!r:.80}.")
        if taken := {"score", "feedback"}.intersection(rubric):
            raise ConfigurationError(f"A criterion cannot be called {sorted(taken)[0]!r}: the judgement has a field of that name.")
        if strange := set(weights or ()) - set(rubric):
            raise ConfigurationError(f"`weights` names {sorted(strange)[0]!r}, which is no criterion: {', '.join(rubric)}.")
        self.rubric, self.field, self.best, self.swap = dict(rubric), field, best, swap
        self.weights = {name: float((weights or {}).get(name, 1.0)) for name in rubric}
        if not all(0 <= weight < math.inf for weight in self.weights.values()) or not any(self.weights.values()):
            raise ConfigurationError(f"`weights` are {self.weights}; none is below 0, and at least one above.")
        # A grade beyond the scale is of another one, and no judgement: 8 of 10 is not 4 of 4.
        inputs = {name: (str, InputField()) for name in ("task", "response", "criterion", "scale")}
        text = "Grade the response by this criterion alone; the grade is a number of the scale."
        self.judge = ChainOfThought(Signature({**inputs, "grade": (int, OutputField(ge=0, le=best))}, text))

    def flow(self, example: Any, pred: Any, trace: Any = None, *_: Any) -> Flow[Prediction]:
        """One judgement, criteria side by side."""
        task = _task(example, self.field)
        response = _field(pred, self.field, "prediction")
        asked = [(name, scale) for name in self.rubric for scale in self._scales()]
        outcomes = yield from side_by_side(*(partial(self._grade, task, response, name, scale) for name, scale in asked))
        grades = {name: _mean([grade for (n, _), (grade, _) in zip(asked, outcomes, strict=True) if n == name]) for name in self.rubric}
        total = sum(self.weights.values())
        score = sum(self.weights[name] * grade for name, grade in grades.items()) / total
        why = "\n".join(f"{name}: {reason}" for (name, _), (_, reason) in zip(asked, outcomes, strict=True))
        return Prediction({**grades, "score": score, "feedback": why})

    def _scales(self) -> list[str]:
        up = f"0 = not at all, {self.best} = fully"
        return [up, f"{self.best} = fully, 0 = not at all"] if self.swap else [up]

    def _grade(self, task: str, response: str, name: str, scale: str) -> Flow[tuple[float, str]]:
        inputs = {"task": task, "response": response, "criterion": f"{name}: {self.rubric[name]}", "scale": scale}
        judged = yield from self.judge.run_flow((), inputs)
        return judged.grade / self.best, judged.reasoning


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
