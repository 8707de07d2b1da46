"""`SIMBA`: small steps of advice and demos, learnt from rows whose runs went differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.core.flow import Flow
from whet.core.wording import counted
from whet.errors import PreconditionError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.proposers.contrast import Contrast
from whet.optimize.proposers.reflect import lm_for_proposals
from whet.optimize.proposers.writing import Writer
from whet.optimize.run import Run
from whet.optimize.search import Search, Task
from whet.optimize.simba_ascent import DRAWN, FINAL_ROWS, FINALISTS, GATE, ON, RACED, SAMPLES, Ascent
from whet.optimize.strand import Strand

__all__ = ["SIMBA"]


class SIMBA(Optimizer):
    """Improves a program in small steps: runs rows more than once, looks where results differ most, and adds either advice (what the better
    run did that the worse one did not) to the instructions, or the better run as a demo.

    Each step takes `bsize` rows of the trainset and makes `num_candidates` candidates; there are `max_steps` steps. `max_demos=0` uses
    advice only. `prompt_model` writes the advice. With `teacher_settings` (`lm=...`) one run of each row that is learnt from is made with
    these. Texts in demos are cut at `demo_input_field_maxlen` characters. `temperature_for_sampling` and `temperature_for_candidates` say
    how much programs with lower scores take part. By default candidates are compared with the best on the same rows and dropped early, and
    the search ends when steps bring nothing; `strict=True` follows the published order.

    Raises `PreconditionError` (an `AssertionError`) for a trainset of fewer than `bsize` rows.

    >>> import whet.testing
    >>> def model(request):
    ...     said = request.messages[0].text
    ...     if "advice" in said:
    ...         return {"advice": "Give only the number."}
    ...     return {"answer": "4" if "only the number" in said or (request.rollout_id or 0) % 2 else "It is 4."}
    >>> rows = [whet.Example(question=f"2+2? {i}", answer="4").with_inputs("question") for i in range(8)]
    >>> optimizer = SIMBA(metric=lambda row, prediction, trace=None: row.answer == prediction.answer, bsize=4, max_steps=2, max_demos=0)
    >>> with whet.context(lm=whet.testing.ScriptedLM(model)):
    ...     better = optimizer.compile(whet.Predict("question -> answer"), trainset=rows)
    >>> better.signature.instructions.splitlines()[-1]
    'Give only the number.'
    """

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        *,
        metric: Any,
        bsize: int = 32,
        num_candidates: int = 6,
        max_steps: int = 8,
        max_demos: int = 4,
        prompt_model: Any = None,
        teacher_settings: Mapping[str, Any] | None = None,
        demo_input_field_maxlen: int = 100_000,
        num_threads: int | None = None,
        temperature_for_sampling: float = 0.2,
        temperature_for_candidates: float = 0.2,
        strict: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(metric, num_threads=num_threads, **common)
        self.bsize, self.num_candidates, self.max_steps, self.max_demos = bsize, num_candidates, max_steps, max_demos
        self.prompt_model, self.teacher_settings = prompt_model, dict(teacher_settings or {})
        self.demo_input_field_maxlen = demo_input_field_maxlen
        self.temperature_for_sampling, self.temperature_for_candidates = temperature_for_sampling, temperature_for_candidates
        self.strict = strict

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        for name, least in (("bsize", 1), ("num_candidates", 1), ("max_steps", 1), ("max_demos", 0), ("demo_input_field_maxlen", 1)):
            check_number(name, getattr(self, name), at_least=least)
        for name in ("temperature_for_sampling", "temperature_for_candidates"):
            check_number(name, getattr(self, name), at_least=0.001, whole=False)

    def bounds(self, task: Task) -> Bounds:
        """Every step with all candidates and all advice, and then the best few."""
        predictors, rows = len(task.student.predictors()), len(task.train)
        if self.strict:
            step, advice = self.bsize * (2 * self.num_candidates + 1), self.bsize
            most = self.max_steps * step + (self.num_candidates + 1) * rows
        else:
            step = DRAWN * (1 + SAMPLES) + (self.num_candidates + 2) * GATE + (ON + 1) * RACED
            most, advice = self.max_steps * step + FINALISTS * min(rows, FINAL_ROWS), self.num_candidates
        least = min(self.bsize, DRAWN)
        return Bounds(runs=(least, most), asks=(0, self.max_steps * advice * predictors), demos=self.max_demos, useful=least)

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task; there must be rows for one step at least."""
        have = len(trainset) if hasattr(trainset, "__len__") else 0
        if have < self.bsize:
            raise PreconditionError(
                f"`trainset` has {counted(have, 'row')}, fewer than `bsize={self.bsize}`; give more rows or a smaller `bsize`."
            )
        return (yield from super().checked(student, trainset, teacher, valset, options))

    def steps(self, search: Search, *, seed: int = 0) -> Strand[Candidate]:
        """The steps, then a comparison of the best."""
        writer = Writer(search=search, model=lm_for_proposals(search, self.prompt_model))
        contrast = Contrast(search=search, writer=writer, max_demos=self.max_demos, longest=self.demo_input_field_maxlen)
        self._ascent = ascent = Ascent(search, self, contrast, search.rng("simba", seed))
        return (yield from (ascent.published() if self.strict else ascent.run()))

    def finished(self, search: Search, run: Run) -> Any:
        """The winner, with the steps."""
        program = super().finished(search, run)
        ascent = getattr(self, "_ascent", None)
        program.trial_logs = ascent.logs if ascent is not None else {}
        return program
