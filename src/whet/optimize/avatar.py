"""`AvatarOptimizer`: a better instruction for a program with tools, from comparing runs that went well with runs that did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.paired import paired
from whet.optimize.plan import rows_in_order, rows_to_show, shown_apart
from whet.optimize.proposers.reflect import lm_for_proposals, outline_of, shown_run
from whet.optimize.proposers.writing import Writer, clean, joined
from whet.optimize.search import Search, Task
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["AvatarOptimizer"]

# Runs of each kind that are compared, and rows of the first look at a new instruction.
SHOWN, FIRST = 10, 16


class CompareRuns(Signature):
    """A program that works with tools did well on some inputs and badly on others. Compare the two groups: which inputs went wrong, how the
    tools were used there and how they should have been used. Say in a few sentences what the instruction has to change."""

    current_instruction: str = InputField()
    tools: str = InputField()
    runs_that_went_well: str = InputField()
    runs_that_went_badly: str = InputField()
    feedback: str = OutputField(desc="what to change, and for which kinds of input")


class RewriteFromFeedback(Signature):
    """Rewrite the instruction of a program that works with tools so that it takes the feedback into account. Keep what the feedback does
    not speak of, and say when to use which tool."""

    current_instruction: str = InputField()
    feedback: str = InputField()
    new_instruction: str = OutputField(desc="the whole instruction, nothing else")


class AvatarOptimizer(Optimizer):
    """Rewrites the instruction of the predictor that chooses the tools, up to `max_iters` times, from a comparison of runs with at least
    `upper_bound` and runs with at most `lower_bound` (Wu et al. 2024, arXiv 2406.11200).

    `prompt_model` compares up to `max_positive_inputs` and `max_negative_inputs` of them at a time. It works on the predictor called
    `actor` or `react`, or else on the first. A new instruction is kept when it does better on the same rows; it is run on all of them only
    if it does on the first few. Ends early when nothing is wrong or three rewrites in a row brought nothing. `optimize_for="min"` means
    that low scores are good.

    >>> import whet.testing
    >>> def model(request):
    ...     said = request.messages[0].text
    ...     if "new_instruction" in said or "feedback" in said:
    ...         return {"feedback": "It wrote a sentence.", "new_instruction": "Give only the number."}
    ...     return {"answer": "4" if "only the number" in said or "easy" in request.messages[-1].text else "It is 4."}
    >>> rows = [whet.Example(question=f"{kind} 2+2?", answer="4").with_inputs("question") for kind in ("easy", "hard", "hardest")]
    >>> optimizer = AvatarOptimizer(metric=lambda row, prediction, trace=None: row.answer == prediction.answer, max_iters=2)
    >>> with whet.context(lm=whet.testing.ScriptedLM(model)):
    ...     better = optimizer.compile(whet.Predict("question -> answer"), trainset=rows)
    >>> better.signature.instructions
    'Give only the number.'
    """

    needs_metric: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any,
        max_iters: int = 10,
        lower_bound: float = 0,
        upper_bound: float = 1,
        max_positive_inputs: int | None = None,
        max_negative_inputs: int | None = None,
        optimize_for: str = "max",
        prompt_model: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(metric, **common)
        self.max_iters, self.lower_bound, self.upper_bound = max_iters, lower_bound, upper_bound
        self.max_positive_inputs = max_positive_inputs or SHOWN
        self.max_negative_inputs = max_negative_inputs or SHOWN
        self.optimize_for, self.prompt_model = optimize_for, prompt_model

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        for name in ("max_iters", "max_positive_inputs", "max_negative_inputs"):
            check_number(name, getattr(self, name), at_least=1)
        if self.optimize_for not in ("max", "min"):
            raise ConfigurationError(f"`optimize_for` is {self.optimize_for!r}; it takes 'max' or 'min'.")
        if self.lower_bound >= self.upper_bound:
            raise ConfigurationError(
                f"`lower_bound` is {self.lower_bound:g} and `upper_bound` {self.upper_bound:g}; the lower one must be less."
            )

    def bounds(self, task: Task) -> Bounds:
        """The program as given, and each rewrite, on all rows."""
        rows = len(task.val)
        return Bounds(runs=(rows, (1 + self.max_iters) * (rows + shown_apart(task, rows))), asks=(0, 2 * self.max_iters))

    def steps(self, search: Search) -> Strand[Candidate]:
        """Run, compare, rewrite, keep what is better."""
        writer = Writer(search=search, model=lm_for_proposals(search, self.prompt_model))
        rows, best = rows_in_order(search), search.baseline
        shown = rows_to_show(search, rows)[: len(rows)]
        name = _chooser(list(best.params))
        yield [*search.scores(best, rows), *search.scores(best, shown)]
        search.mark(best, search.trial(best, rows).score)
        idle = 0
        for number in range(self.max_iters):
            good, bad = self._sorted(shown, (yield search.scores(best, shown)))
            if not bad:
                search.decide("stop", best, f"no run has a score of {self.lower_bound:g} or less")
                break
            child = yield from self._rewritten(search, writer, best, name, (good, bad), number)
            better = child is not None and (yield from self._better(search, child, best, rows))
            idle = 0 if better else idle + 1
            if better and child is not None:
                best = child
                yield search.scores(best, rows)
                search.mark(best, search.trial(best, rows).score)
            elif idle >= 3:
                search.decide("stop", best, "three rewrites in a row brought nothing")
                break
        return best

    def _sorted(self, rows: Sequence[Any], results: Sequence[Result]) -> tuple[list[str], list[str]]:
        """Runs that went well and badly, as text."""
        runs = [(row, r) for row, r in zip(rows, results, strict=True) if r.value is not None]
        high = [shown_run(row, r, self.upper_bound) for row, r in runs if (r.value or 0.0) >= self.upper_bound]
        low = [shown_run(row, r, self.upper_bound) for row, r in runs if (r.value or 0.0) <= self.lower_bound]
        good, bad = (high, low) if self.optimize_for == "max" else (low, high)
        return good[: self.max_positive_inputs], bad[: self.max_negative_inputs]

    def _rewritten(
        self, search: Search, writer: Writer, best: Candidate, name: str, runs: tuple[list[str], list[str]], number: int
    ) -> Strand[Candidate | None]:
        rng = search.rng("avatar", number)
        current = best.params[name].instructions
        shown: dict[str, Any] = {"runs_that_went_well": joined(runs[0]) or "none", "runs_that_went_badly": joined(runs[1])}
        tools = _tools(search.program_of(best))
        compared = yield writer.ask("compare", CompareRuns, rng.randrange(10**9), current_instruction=current, tools=tools, **shown)
        if isinstance(compared, Exception):
            return None
        feedback = str(compared.feedback)
        written = yield writer.ask("rewrite", RewriteFromFeedback, rng.randrange(10**9), current_instruction=current, feedback=feedback)
        text = "" if isinstance(written, Exception) else clean(written.new_instruction)
        if not text or text == current:
            search.decide("refuse", best, "the new instruction is empty or the one that is there")
            return None
        if not writer.usable(text, current, best):
            return None
        return search.add(best.with_instructions({name: text}, f"rewrite {number}"), "compare")

    def _better(self, search: Search, child: Candidate, best: Candidate, rows: Sequence[Any]) -> Strand[bool]:
        sign = 1 if self.optimize_for == "max" else -1
        for part in (rows[:FIRST], rows):
            pair = []
            for candidate in (child, best):
                results = yield search.scores(candidate, part)
                pair.append([r.value for r in results])
            gain = sign * paired(pair[0], pair[1]).mean
            if gain < 0 or (gain == 0 and len(part) == len(rows)):
                search.decide("drop", child, f"{sign * gain:+.3f} against the best on {counted(len(part), 'row')}")
                return False
        search.decide("promote", child, child.note)
        return True


def _chooser(names: Sequence[str]) -> str:
    """The predictor that chooses tools."""
    for word in ("actor", "react"):
        if (found := next((n for n in names if word in n.split(".")[0]), None)) is not None:
            return found
    return names[0]


def _tools(program: Any) -> str:
    tools = getattr(program, "tools", None)
    found = list(tools.values()) if isinstance(tools, dict) else list(tools or ())
    lines = [
        f"- {getattr(t, 'name', None) or getattr(t, '__name__', t)}: {getattr(t, 'desc', None) or getattr(t, '__doc__', '') or ''}"
        for t in found
    ]
    return joined(lines) if lines else outline_of(program)
