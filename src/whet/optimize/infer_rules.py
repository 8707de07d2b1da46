"""`InferRules`: rules in words, induced from the rows, as part of the instructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whet.core.flow import Flow
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number, check_rows
from whet.optimize.few_shot import BootstrapFewShot
from whet.optimize.forecast import Bounds
from whet.optimize.plan import halving, halving_cost, one_by_one, rows_in_order
from whet.optimize.proposers.reflect import lm_for_proposals
from whet.optimize.proposers.rules import Rules
from whet.optimize.proposers.writing import Writer
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand

__all__ = ["InferRules"]


class InferRules(BootstrapFewShot):
    """Bootstraps demos, then has `num_candidates` sets of at most `num_rules` rules written from the rows, adds each to the instructions
    and keeps the best on `valset` (default: the second half of the trainset).

    Further arguments are those of `BootstrapFewShot`. Candidates are written side by side and race on shared rows; the program as given and
    the one with demos only take part. `strict=True` writes and evaluates them in turn, on all rows.

    >>> import whet.testing
    >>> def model(request):
    ...     if "natural_language_rules" in request.messages[0].text:
    ...         return {"natural_language_rules": "Give only the number."}
    ...     return {"answer": "4" if "only the number" in request.messages[0].text else "It is 4."}
    >>> rows = [whet.Example(question=f"2+2? {i}", answer="4").with_inputs("question") for i in range(4)]
    >>> optimizer = InferRules(
    ...     metric=lambda row, prediction, trace=None: row.answer == prediction.answer, num_candidates=1, max_labeled_demos=0
    ... )
    >>> with whet.context(lm=whet.testing.ScriptedLM(model)):
    ...     better = optimizer.compile(whet.Predict("question -> answer"), trainset=rows)
    >>> better.signature.instructions.splitlines()[-1]
    'Give only the number.'
    """

    needs_metric: ClassVar[bool] = True
    raises_last: ClassVar[bool] = False

    def __init__(
        self,
        metric: Any = None,
        num_candidates: int = 10,
        num_rules: int = 10,
        num_threads: int | None = None,
        teacher_settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.prompt_model = options.pop("prompt_model", None)
        super().__init__(metric=metric, num_threads=num_threads, teacher_settings=teacher_settings, **options)
        self.num_candidates, self.num_rules = num_candidates, num_rules

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("num_candidates", self.num_candidates, at_least=1)
        check_number("num_rules", self.num_rules, at_least=1)

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task; without a valset one half of the rows judges what the other half taught."""
        rows = check_rows("trainset", trainset, at_least=1 if valset is not None else 2)
        if valset is None:
            half = len(rows) // 2
            rows, valset = rows[:half], rows[half:]
        return (yield from super().checked(student, rows, teacher, valset, options))

    def bounds(self, task: Task) -> Bounds:
        """The demos, and a race of all sets of rules."""
        boots, rows = super().bounds(task), len(task.val)
        most = (self.num_candidates + 2) * rows if self.strict else halving_cost(self.num_candidates + 2, rows)
        asks = self.num_candidates * len(task.student.predictors())
        return Bounds(runs=(boots.runs[0] + rows, boots.runs[1] + most), asks=(asks, asks), demos=boots.demos)

    def steps(self, search: Search) -> Strand[Candidate]:
        """Demos, rules, a race."""
        with_demos = yield from super().steps(search)
        writer = Writer(search=search, model=lm_for_proposals(search, self.prompt_model))
        rules = Rules(search=search, writer=writer, count=self.num_rules)
        makers = [rules.propose(with_demos, search.train, number) for number in range(self.num_candidates)]
        made = []
        if self.strict:
            for maker in makers:
                made.append((yield maker))
        else:
            made = yield makers
        candidates = [with_demos, search.baseline, *(c for c in made if c is not None)]
        plan = one_by_one if self.strict else halving
        ordered = yield from plan(search, list(dict.fromkeys(candidates)), rows_in_order(search))
        return ordered[0]
