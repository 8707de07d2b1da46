"""`TextualGradient`: critiques of failed runs as gradients, and rewrites that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, TypeAlias

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.paired import paired
from whet.optimize.plan import rows_in_order
from whet.optimize.proposers.blame import Blame
from whet.optimize.proposers.reflect import lm_for_proposals, outline_of, shown_run
from whet.optimize.proposers.writing import Writer, clean, clipped, joined
from whet.optimize.search import Search, Task
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["TextualGradient"]

Runs: TypeAlias = Sequence[tuple[Any, Result]]
# Critiques per step, rewrites tried at once, rows they are judged on at first, and how many earlier critiques are remembered.
CRITIQUES, REWRITES, FIRST, REMEMBERED, PATIENCE = 4, 3, 12, 3, 3


class Criticise(Signature):
    """One run of a program of language model calls was not good enough. Say how the step named below contributed to that, and what in its
    instruction would have to be different, as advice to whoever rewrites the instruction. Do not rewrite it yourself."""

    program_outline: str = InputField()
    step: str = InputField()
    current_instruction: str = InputField()
    failed_run: str = InputField(desc="with the feedback on its result")
    critique: str = OutputField()


class FollowCritiques(Signature):
    """Rewrite an instruction so that it answers these critiques, all at once, and stays general. Keep what they do not touch."""

    current_instruction: str = InputField()
    critiques: str = InputField(desc="of single runs, each with the run that it is about")
    earlier_critiques: str = InputField(desc="what was criticised before; do not fall back")
    new_instruction: str = OutputField(desc="the whole instruction, nothing else")


@dataclass(frozen=True, kw_only=True)
class _Descent:
    """One run: the search, who writes, and what was criticised before, by step."""

    search: Search
    writer: Writer
    earlier: dict[str, list[str]] = field(default_factory=dict)


class TextualGradient(Optimizer):
    """Gradient descent in words (after TextGrad, Yuksekgonul et al. 2024, arXiv 2406.07496): each step runs `batch_size` training rows, has
    what went wrong criticised for the step of the program that is to blame, and has its instruction rewritten from the critiques.

    `prompt_model` writes both. Of three rewrites the best on the same rows of `valset` (default: the trainset) is kept if it is better
    than before. There are `max_steps` steps; it ends earlier when three of them brought nothing.

    >>> import whet.testing
    >>> def model(request):
    ...     if "new_instruction" in request.messages[0].text:
    ...         return {"new_instruction": "Give only the number."}
    ...     if "critique" in request.messages[0].text:
    ...         return {"critique": "It wrote a sentence."}
    ...     return {"answer": "4" if "only the number" in request.messages[0].text else "It is 4."}
    >>> rows = [whet.Example(question=f"2+2? {i}", answer="4").with_inputs("question") for i in range(4)]
    >>> optimizer = TextualGradient(metric=lambda row, prediction, trace=None: row.answer == prediction.answer, max_steps=2)
    >>> with whet.context(lm=whet.testing.ScriptedLM(model)):
    ...     better = optimizer.compile(whet.Predict("question -> answer"), trainset=rows)
    >>> better.signature.instructions
    'Give only the number.'
    """

    needs_metric: ClassVar[bool] = True

    def __init__(
        self,
        metric: Any,
        prompt_model: Any = None,
        batch_size: int = 12,
        max_steps: int = 8,
        perfect_score: float = 1.0,
        **common: Any,
    ) -> None:
        super().__init__(metric, **common)
        self.prompt_model, self.batch_size, self.max_steps, self.perfect_score = prompt_model, batch_size, max_steps, perfect_score

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("batch_size", self.batch_size, at_least=1)
        check_number("max_steps", self.max_steps, at_least=1)

    def bounds(self, task: Task) -> Bounds:
        """Every step, with a contest of all rewrites."""
        batch, first = min(self.batch_size, len(task.train)), min(FIRST, len(task.val))
        most = self.max_steps * (batch + (REWRITES + 3) * first)
        return Bounds(runs=(batch, most), asks=(0, self.max_steps * (1 + CRITIQUES + REWRITES)), useful=batch)

    def steps(self, search: Search) -> Strand[Candidate]:
        """Run, criticise, rewrite, keep what is better."""
        model = lm_for_proposals(search, self.prompt_model)
        descent = _Descent(search=search, writer=Writer(search=search, model=model))
        blame = Blame(search=search, model=model, perfect=self.perfect_score)
        rows, best, idle = rows_in_order(search), search.baseline, 0
        train = list(dict.fromkeys(search.train))
        search.rng("train").shuffle(train)
        for number in range(self.max_steps):
            start = number * self.batch_size
            batch = [train[(start + i) % len(train)] for i in range(min(self.batch_size, len(train)))]
            results = yield search.scores(best, batch)
            failed = [(row, r) for row, r in zip(batch, results, strict=True) if r.value is not None and r.value < self.perfect_score]
            children: list[Candidate] = []
            if failed:
                name = (yield from blame.targets(best, failed, 1, search.rng("blame", number)))[0]
                children = yield from self._children(descent, best, name, failed, number)
            winner = (yield from self._contest(search, best, children, rows)) if children else best
            idle = 0 if winner != best else idle + 1
            best = winner
            if idle >= PATIENCE:
                search.decide("stop", best, f"{PATIENCE} steps brought nothing better")
                break
        return best

    def _children(self, descent: _Descent, best: Candidate, name: str, failed: Runs, number: int) -> Strand[list[Candidate]]:
        """Rewrites of one instruction that follow the critiques of some failed runs."""
        search, rng = descent.search, descent.search.rng("gradient", number)
        critiques = yield from self._critiques(descent, best, name, failed, rng)
        if not critiques:
            return []
        earlier = descent.earlier.setdefault(name, [])
        shown: dict[str, Any] = {
            "current_instruction": best.params[name].instructions,
            "critiques": joined(f"{run}\nCritique: {critique}" for run, critique in critiques),
            "earlier_critiques": joined(earlier[-REMEMBERED:]) or "none",
        }
        earlier += [critique for _, critique in critiques]
        written = yield [descent.writer.ask("rewrite", FollowCritiques, rng.randrange(10**9), **shown) for _ in range(REWRITES)]
        texts = [clean(w.new_instruction) for w in written if not isinstance(w, Exception)]
        fresh = [t for t in dict.fromkeys(texts) if t and t != best.params[name].instructions]
        fresh = [t for t in fresh if descent.writer.usable(t, best.params[name].instructions, best)]
        return [search.add(best.with_instructions({name: t}, f"step {number}, {name}"), "critique") for t in fresh]

    def _critiques(self, descent: _Descent, best: Candidate, name: str, failed: Runs, rng: Random) -> Strand[list[tuple[str, str]]]:
        """Some of the failed runs, each with what a model says about this step's part in it."""
        told: dict[str, Any] = {
            "program_outline": outline_of(descent.search.program_of(best)),
            "step": name,
            "current_instruction": best.params[name].instructions,
        }
        picked = rng.sample(list(failed), min(CRITIQUES, len(failed)))
        runs = [shown_run(row, r, self.perfect_score) for row, r in picked]
        answers = yield [descent.writer.ask("critique", Criticise, rng.randrange(10**9), **told, failed_run=clipped(run)) for run in runs]
        return [(run, str(a.critique)) for run, a in zip(runs, answers, strict=True) if not isinstance(a, Exception)]

    def _contest(self, search: Search, best: Candidate, children: Sequence[Candidate], rows: Sequence[Any]) -> Strand[Candidate]:
        """The best child on the first rows, then against the incumbent on twice as many."""

        def gain(child: Candidate, part: Sequence[Any]) -> float:
            values = []
            for one in (child, best):
                results = [search.known(one, row) for row in part]
                values.append([None if r is None else r.value for r in results])
            return paired(values[0], values[1]).shrunk()

        first = rows[:FIRST]
        yield [h for c in (best, *children) for h in search.scores(c, first)]
        leader = max(children, key=lambda c: gain(c, first))
        more = rows[: 2 * FIRST]
        if gain(leader, first) >= 0:
            yield [h for c in (best, leader) for h in search.scores(c, more)]
        for child in children:
            if child != leader or gain(child, more) <= 0:
                search.decide("drop", child, f"{gain(child, first):+.3f} against the best")
        if gain(leader, more) <= 0:
            return best
        search.decide("promote", leader, leader.note)
        search.mark(leader, search.trial(leader, more).score)
        return leader
