"""Better instructions from what went wrong: a model reads failed runs with their feedback and rewrites the instruction of one predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from random import Random
from typing import Any

from whet.adapters.chat import ChatAdapter
from whet.core.context import current
from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.param import Learnt
from whet.core.signature import Signature
from whet.errors import ConfigurationError
from whet.evaluate.metric import MetricCall
from whet.modules.predict import Predict
from whet.modules.tool_texts import texts_of, tools_in
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.blame import Blame
from whet.optimize.proposers.guard import Guard
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Handle, Strand

__all__ = ["Reflect", "Rewritten", "lm_for_proposals", "outline_of", "shown_run"]

_REFUSED_SHOWN = 4
# How many arguments after example and prediction a metric takes that can be asked about one predictor: the trace and the name.
_TELLS_STEPS = 2


class RewriteInstruction(Signature):
    """You improve one step of a program that asks a language model. Read how its runs went and what the feedback says about them, find out
    what the instruction leaves unsaid, and write a better instruction for this step: whole, general, and usable for inputs that are not
    shown. Keep what already works. Put into words every rule and fact that the feedback gives away. Do not copy the examples."""

    program_outline: str = InputField(desc="all steps of the program, what each takes and gives")
    step: str = InputField(desc="the step whose instruction is to be rewritten")
    current_instruction: str = InputField()
    examples_with_feedback: str = InputField(desc="runs of the program: inputs, what the steps gave, and how that was judged")
    earlier_proposals: str = InputField(desc="how other proposals for this step begin, and why they were not kept; do not repeat them")
    remark: str = InputField(desc="what to mind this time")
    new_instruction: str = OutputField(desc="the whole instruction for the step, nothing else")


class RewriteStep(RewriteInstruction):
    """You improve one step of a program that asks a language model and lets it call tools. Read how its runs went and what the feedback
    says about them, and find out what the instruction leaves unsaid, and what the descriptions of tools and of their arguments say wrongly
    or not at all: when each tool is the right one, what it gives, how its arguments are written. Write a better instruction for this step,
    whole, general, and usable for inputs that are not shown, and better descriptions where they mislead. Keep what already works. Put into
    words every rule and fact that the feedback gives away. Do not copy the examples."""

    tool_descriptions: str = InputField(desc="what the model is told of each `tool`, and of each argument as `tool.argument`")
    new_tool_descriptions: dict[str, str] = OutputField(
        default_factory=dict, desc="the descriptions that should change, by `tool` or `tool.argument`; empty if none"
    )


# So that proposals written from similar runs differ.
REMARKS = (
    "Be very informative: name what somebody new to this task could not know.",
    "Only say what matters most.",
    "Look for what the failed runs have in common.",
    "Be very informative: spell out how to decide the borderline cases.",
    "Say step by step how to get to the answer.",
    "Be very informative about the form that each output must have.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A proposed instruction, with descriptions of `tools` that change with it: for which predictor, and whether it can be used (`trouble`
    says why not)."""

    name: str
    text: str
    tools: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def shown(self) -> str:
        """All of it as one text."""
        return "\n".join([self.text, *(f"{name}: {text}" for name, text in self.tools.items())])

    def put_into(self, candidate: Candidate, note: str = "") -> Candidate:
        """The candidate with this in it."""
        old = candidate.params[self.name]
        return candidate.evolve({self.name: old.evolve(instructions=self.text, tools={**old.tools, **self.tools})}, note)


def lm_for_proposals(search: Search, prompt_model: Any) -> Any:
    """The model that writes proposals: the one given, else the ambient one, else the program's own."""
    bound = (p.lm for p in search.task.student.predictors() if p.lm is not None)
    lm = prompt_model or current().lm or next(bound, None)
    if lm is None:
        raise ConfigurationError("There is no model to write proposals with: `whet.configure(lm=...)`, or give `prompt_model=`.")
    if not hasattr(lm, "flow"):
        raise ConfigurationError(f"`prompt_model` must be a `whet.LM`, not {lm!r}.")
    return lm


@dataclass(kw_only=True)
class Reflect:
    """Proposes instructions. It shows `k` failed runs and one good one of the candidate, with their feedback.

    `model` writes, at temperature 1, each time with another rollout, so that proposals differ also where a cache is on. A proposal that is
    empty, unchanged, known or copied from training rows (`guard` words in a row) is refused with its reason, which is on record and shown
    to those who write the next ones. A `metric` that takes the name of a predictor is asked what it has to say about that one."""

    search: Search
    model: Any
    k: int = 5
    perfect: float = 1.0
    guard: int = 8
    metric: MetricCall | None = None
    known: set[str] = field(default_factory=set)
    refused: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.blame = Blame(search=self.search, model=self.model, perfect=self.perfect)

    def propose(self, candidate: Candidate, shown: Sequence[tuple[Any, Result]], number: int) -> Strand[list[Candidate]]:
        """Up to `number` candidates with one new instruction each, written side by side."""
        told, known = self.memory(), set(self.known)
        rng = self.search.rng("reflect", candidate.hash, self.count)
        failed = [(row, result) for row, result in shown if result.value is not None and result.value < self.perfect]
        if not failed:
            return []
        first, self.count = self.count, self.count + number
        targets = yield from self.blame.targets(candidate, failed, number, rng)
        handles = [self._ask(candidate, name, self._picked(shown, rng), rng, told, first + i) for i, name in enumerate(targets)]
        answers = yield handles
        found = [self._candidate(candidate, a, "reflect", known, first + i) for i, a in enumerate(answers)]
        self.known |= known
        return [c for c in found if c is not None]

    def merge(self, candidate: Candidate, name: str, other: str) -> Strand[Candidate | None]:
        """A candidate whose instruction for one predictor combines its own with another one that did well too."""
        rng = self.search.rng("merge", candidate.hash, name, other)
        remark, rollout = f"Another instruction for this step also did well. Combine the best of both: {other}", rng.randrange(10**9)
        answer = yield self.search.ask(f"merge {name}", lambda: self._written(candidate, name, (), (remark, "none"), rollout))
        return self._candidate(candidate, answer, "merge", set(), self.count)

    def rewritten(self, candidate: Candidate, names: Sequence[str], shown: Sequence[tuple[Any, Result]]) -> Strand[dict[str, Learnt]]:
        """New instructions for these predictors, each from all of these runs; a proposal that cannot be used is left out."""
        rng = self.search.rng("texts", candidate.hash, self.count)
        first, self.count = self.count, self.count + len(names)
        known = set(self.known)
        answers = yield [self._ask(candidate, name, shown, rng, self.memory(), first + i) for i, name in enumerate(names)]
        made = [self._candidate(candidate, answer, "reflect", known, first + i) for i, answer in enumerate(answers)]
        self.known |= known
        return {name: c.params[name] for name, c in zip(names, made, strict=True) if c is not None}

    def _picked(self, shown: Sequence[tuple[Any, Result]], rng: Random) -> list[tuple[Any, Result]]:
        bad = [s for s in shown if s[1].value is not None and s[1].value < self.perfect]
        good = [s for s in shown if s[1].value is not None and s[1].value >= self.perfect]
        return rng.sample(bad, min(self.k, len(bad))) + rng.sample(good, min(1, len(good)))

    def _ask(
        self, candidate: Candidate, name: str, runs: Sequence[tuple[Any, Result]], rng: Random, told: Mapping[str, str], number: int
    ) -> Handle:
        words = REMARKS[number % len(REMARKS)], told.get(name, "none")
        rollout = rng.randrange(10**9)
        return self.search.ask(f"reflect {number}", lambda: self._written(candidate, name, runs, words, rollout))

    def _written(
        self, candidate: Candidate, name: str, shown: Sequence[tuple[Any, Result]], words: tuple[str, str], rollout: int
    ) -> Flow[Rewritten]:
        tools = _tools_of(candidate, name, shown)
        writer = Predict(RewriteStep if tools else RewriteInstruction, adapter=ChatAdapter())
        shown = yield from self._told(name, shown)
        prediction = yield from writer.run_flow(
            (),
            {
                "program_outline": outline_of(self.search.program_of(candidate)),
                "step": name,
                "current_instruction": candidate.params[name].instructions,
                "examples_with_feedback": "\n\n".join(shown_run(row, result, self.perfect) for row, result in shown) or "none this time",
                "earlier_proposals": words[1],
                "remark": words[0],
                **({"tool_descriptions": "\n".join(f"{tool}: {text or '(nothing)'}" for tool, text in tools.items())} if tools else {}),
                "lm": self.model.copy(temperature=1.0, rollout_id=rollout),
            },
        )
        text = str(prediction.new_instruction).strip().strip("`").strip()
        changed = {n: t for n, t in (prediction.new_tool_descriptions if tools else {}).items() if n in tools and t.strip() != tools[n]}
        written = Rewritten(name=name, text=text or (candidate.params[name].instructions if changed else ""), tools=changed)
        return replace(written, trouble=self._trouble(candidate, written))

    def _told(self, name: str, shown: Sequence[tuple[Any, Result]]) -> Flow[list[tuple[Any, Result]]]:
        """The runs with what the metric says about one predictor's part in them, where it can tell."""
        if self.metric is None or self.metric.extra < _TELLS_STEPS:
            return list(shown)
        told = []
        for row, result in shown:
            steps = list(result.steps)
            own = [step for step in steps if step.name == name]
            try:
                score = yield from self.metric.flow(row, result.prediction, steps, name, own)
            except Exception as error:  # noqa: BLE001 - a metric that cannot tell leaves the feedback as it was
                self.search.decide("failed", None, f"the metric about `{name}`: {type(error).__name__}: {error}")
                told.append((row, result))
                continue
            feedback = score.feedback or (result.score.feedback if result.score is not None else "")
            told.append((row, replace(result, score=replace(score, value=result.value or 0.0, feedback=feedback))))
        return told

    def memory(self) -> dict[str, str]:
        """What to tell a writer about the proposals that were refused last, by predictor."""
        return {
            name: "\n".join(line for _, line in sorted(lines, key=itemgetter(0))[-_REFUSED_SHOWN:]) for name, lines in self.refused.items()
        }

    def refuse(self, name: str, text: str, reason: str, number: int | None = None) -> None:
        """Remember why a proposal for this predictor was not kept; `number` is its place among all (default: the last one)."""
        self.refused.setdefault(name, []).append((self.count if number is None else number, f"- {_beginning(text)} ({reason})"))

    def refuse_change(self, parent: Candidate, child: Candidate, reason: str) -> None:
        """Remember why what a child has other than its parent was not kept."""
        for name, param in child.params.items():
            was = parent.params[name]
            texts = [param.instructions] if param.instructions != was.instructions else []
            texts += [f"{tool}: {text}" for tool, text in param.tools.items() if text != was.tools.get(tool)]
            if texts:
                self.refuse(name, "\n".join(texts), reason)

    def _trouble(self, candidate: Candidate, written: Rewritten) -> str:
        old, text = candidate.params[written.name], written.shown
        if not written.text:
            return "the proposal is empty"
        if written.text == old.instructions and not written.tools:
            return "the proposal is the instruction it was to improve"
        return self._guard.trouble(text, "\n".join([old.instructions, *old.tools.values()]))

    @cached_property
    def _guard(self) -> Guard:
        return Guard(search=self.search, words=self.guard)

    def _candidate(self, candidate: Candidate, answer: Any, label: str, known: set[str], number: int) -> Candidate | None:
        """What a proposal makes of the candidate. `known` are the texts that were there when it was asked for, with those of its own
        batch: proposals that are written side by side do not know of each other, so that it makes no difference which is in first."""
        if isinstance(answer, Exception):
            return None
        trouble = answer.trouble
        if not trouble and answer.shown in known:
            trouble = "the proposal is not new"
        made = answer.put_into(candidate, f"{label} {answer.name}" + (f", tools {', '.join(answer.tools)}" if answer.tools else ""))
        if trouble:
            self.search.decide("refuse", made, trouble)
            self.refuse(answer.name, answer.shown, trouble, number)
            return None
        known.add(answer.shown)
        return self.search.add(made, label)


def _tools_of(candidate: Candidate, name: str, runs: Sequence[tuple[Any, Result]]) -> dict[str, str]:
    """What a predictor tells of its tools, and of those that its runs were given."""
    given = [tool for _, result in runs for step in result.steps if step.name == name for tool in tools_in(step.inputs)]
    return {**texts_of(given), **candidate.params[name].tools}


def outline_of(program: Any) -> str:
    """The program's steps in a few lines."""
    lines = [f"{type(program).__name__}, with these steps:"]
    for name, predictor in program.named_predictors():
        lines.append(f"- {name}: {predictor.signature.signature}")
    return "\n".join(lines)


def shown_run(row: Any, result: Result, perfect: float = 1.0) -> str:
    """One run as text: inputs, what each step gave, how it was judged."""
    lines = ["Inputs: " + _values(row.inputs())]
    steps = result.steps
    for step in steps if len(steps) > 1 else ():
        lines.append(f"Step {step.name} was given {_values(step.inputs)} and gave {_values(step.prediction)}")
    if isinstance(result.prediction, Mapping):
        lines.append("Outputs: " + _values(result.prediction))
    return "\n".join([*lines, "Feedback: " + _judged(row, result, perfect)])


def _judged(row: Any, result: Result, perfect: float) -> str:
    if result.score is not None and result.score.feedback:
        return result.score.feedback
    if result.error:
        return f"The run failed. {result.error[:600]}"
    if result.value is not None and result.value >= perfect:
        return "Right."
    labels = _values(row.labels())
    return f"Wrong (score {result.value if result.value is not None else 0:.2f})." + (f" Right would have been {labels}" if labels else "")


def _values(values: Mapping[str, Any], width: int = 1500) -> str:
    text = "; ".join(f"{k} = {v}" for k, v in values.items() if k != "augmented")
    return text if len(text) <= width else text[: width - 1] + "…"


def _beginning(text: str, width: int = 120) -> str:
    first = " ".join(text.split(". ")[0].split())
    return first if len(first) <= width else first[: width - 1] + "…"
