"""`LabeledFewShot` and `BootstrapFewShot`: demos from labels, and from the program's own right answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from whet.errors import PreconditionError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number, check_teacher
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.proposers.bootstrapped import Bootstrapper, filled
from whet.optimize.proposers.labeled import labeled
from whet.optimize.search import Search, Task
from whet.optimize.store import Subject
from whet.optimize.strand import Strand

__all__ = ["BootstrapFewShot", "LabeledFewShot"]


class LabeledFewShot(Optimizer):
    """Puts `k` labelled rows into each predictor as demos: drawn with a fixed seed, or the first ones with `compile(..., sample=False)`.

    Costs nothing. An empty trainset gives a program without demos.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue")]
    >>> [demo.colour for demo in LabeledFewShot(k=2).compile(whet.Predict("text -> colour"), trainset=rows, sample=False).demos]
    ['red', 'green']
    """

    needs_metric: ClassVar[bool] = False
    needs_rows: ClassVar[int] = 0

    def __init__(self, k: int = 16, **common: Any) -> None:
        super().__init__(**common)
        self.k = k

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("k", self.k, at_least=0)

    def prepared(self, student: Any) -> Any:
        """The student without demos."""
        return without_demos(student)

    def bounds(self, task: Task) -> Bounds:
        """Nothing is asked."""
        return Bounds(runs=(0, 0), demos=self.k, useful=0)

    def steps(self, search: Search, *, sample: bool = True) -> Strand[Candidate]:
        """One candidate, not evaluated."""
        yield from ()
        return labeled(search.baseline, search.train, self.k, sample=sample)


class BootstrapFewShot(Optimizer):
    """Runs a teacher on training rows and keeps the runs that the metric accepts as demos, up to `max_bootstrapped_demos`; labelled rows
    fill the places up to `max_labeled_demos` (Khattab et al. 2023, arXiv 2310.03714).

    The teacher is a copy of the student with labelled demos, unless another one is given, which keeps demos that it has;
    `teacher_settings` hold for its calls (`lm=...`). Without a metric every run is accepted, with `metric_threshold` those that reach it.
    `max_rounds` above 1 asks again at temperature 1.
    Rows run side by side; the result is that of running them in turn (`strict=True` does that). When `max_errors` rows have failed
    (default: that of the settings), the last error is raised.

    >>> import whet.testing
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue")]
    >>> optimizer = BootstrapFewShot(metric=lambda row, prediction, trace=None: row.colour == prediction.colour, max_labeled_demos=0)
    >>> with whet.context(lm=whet.testing.ScriptedLM(lambda request: {"colour": "green"})):
    ...     better = optimizer.compile(whet.Predict("text -> colour"), trainset=rows)
    >>> [(demo.text, demo.colour) for demo in better.demos]
    [('a green coat', 'green')]
    """

    needs_metric: ClassVar[bool] = False
    # Programs written for DSPy catch what their teacher raised; a recipe that searches has a partial run to give with it.
    raises_last: ClassVar[bool] = True
    freezes: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - the arguments people know
        self,
        metric: Any = None,
        metric_threshold: float | None = None,
        teacher_settings: Mapping[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 16,
        max_rounds: int = 1,
        max_errors: int | None = None,
        strict: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(metric, max_errors=max_errors, **common)
        self.metric_threshold = metric_threshold
        self.teacher_settings = dict(teacher_settings or {})
        self.max_bootstrapped_demos = max_bootstrapped_demos
        self.max_labeled_demos = max_labeled_demos
        self.max_rounds = max_rounds
        self.strict = strict

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("max_bootstrapped_demos", self.max_bootstrapped_demos, at_least=0)
        check_number("max_labeled_demos", self.max_labeled_demos, at_least=0)
        check_number("max_rounds", self.max_rounds, at_least=1)

    def prepared(self, student: Any) -> Any:
        """The student without demos. It may not be compiled already."""
        if getattr(student, "_compiled", False):
            raise PreconditionError("Student must be uncompiled: give the program as it was before `compile`.")
        return without_demos(student)

    def check_teacher(self, student: Any, teacher: Any) -> None:
        """Raise for a teacher of another structure."""
        super().check_teacher(student, teacher)
        check_teacher(student, teacher)

    def bounds(self, task: Task) -> Bounds:
        """At best every row is right at once; at worst none is."""
        demos = max(self.max_labeled_demos, self.max_bootstrapped_demos)
        return Bounds(runs=(min(self.max_bootstrapped_demos, len(task.train)), len(task.train) * self.max_rounds), demos=demos)

    def steps(self, search: Search) -> Strand[Candidate]:
        """One candidate, not evaluated."""
        found = yield from bootstrapper(search, self).first(search.train, self.max_bootstrapped_demos)
        return filled(search.baseline, found, search.train, self.max_labeled_demos)


def without_demos(student: Any) -> Any:
    """A copy without demos. Models stay: a program whose weights were trained is not asked to answer with the ambient model."""
    program = student.reset_copy()
    for old, new in zip(student.predictors(), program.predictors(), strict=True):
        new.lm = old.lm
    return program


def bootstrapper(search: Search, recipe: Any, rows: Sequence[Any] | None = None) -> Bootstrapper:
    """The bootstrapper that a recipe with the usual arguments describes; `rows` are those that the teacher's labelled demos come from."""
    given = search.task.teacher
    program = given.deepcopy() if given is not None else search.task.student.deepcopy()
    if given is None and recipe.teacher_settings.get("lm") is not None:
        program.set_lm(None)  # the model asked for teaches, not those that the student is bound to
    teacher = Candidate(params=program.params(), note="teacher")
    taught = given is not None and (given._compiled or any(p.demos for p in given.predictors()))
    if recipe.max_labeled_demos and not taught:
        teacher = labeled(teacher, search.train if rows is None else rows, recipe.max_labeled_demos, rng=Random(0))
    return Bootstrapper(
        search=search,
        teacher=teacher,
        subject=Subject(name="t", program=program, settings=recipe.teacher_settings, training=True),
        threshold=recipe.metric_threshold,
        max_rounds=recipe.max_rounds,
        one_by_one=recipe.strict,
    )
