"""`Auto`: the optimizer that is recommended. It mixes demos and instructions, races them on shared rows, and certifies the gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whet.core.flow import Flow
from whet.errors import ConfigurationError
from whet.optimize.auto_course import Course
from whet.optimize.candidate import Candidate
from whet.optimize.certificate import certify
from whet.optimize.checks import check_model_inputs, check_number, check_rows
from whet.optimize.forecast import Bounds
from whet.optimize.optimizer import Optimizer
from whet.optimize.proposers.reflect import lm_for_proposals
from whet.optimize.search import Search, Task
from whet.optimize.strand import Handle, Strand
from whet.optimize.values import choose_values

__all__ = ["Auto"]


class Auto(Optimizer):
    """The recommended optimizer: `whet.Optimizer("auto", metric=...)`.

    It gathers the program's right answers on training rows in one wave, races sets of demos made from them, and then, round by round, races
    new instructions (written by a model that reads failed runs and their feedback), other demos, and combinations of what did well, always
    on the same rows as the best so far. Part of the budget is kept for rows that the search never sees: what `run.certificate` says about
    the gain is measured there, and a winner that does worse there is not handed back.

    `max_runs` is the number of program runs that it may use, `max_demos` the most demos in a prompt, `prompt_model` the model that writes
    instructions (default: the ambient one), `perfect_score` the score from which a run counts as right. `teacher_settings` (`lm=...`) hold
    for the runs that demos are made from. `certify=False` keeps no rows back. `contests` is how many contests of challengers are under way
    at a time: with more of them many threads have more to do, and each contest is started before much was learnt from those before
    (`docs/optimizers-measured.md` shows both). Rows given as `compile(..., pinned=rows)` may not get worse. Without a `valset` the trainset
    is split into halves.

    >>> import whet
    >>> rows = [whet.Example(text=f"coat {i} is {c}", colour=c).with_inputs("text") for i, c in enumerate(("red", "green", "blue") * 20)]
    >>> optimizer = whet.Optimizer("auto", metric=lambda row, prediction, trace=None: row.colour == prediction.colour)
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour"), trainset=rows)
    >>> better.run.optimizer, better.run.certificate is not None
    ('Auto', True)
    """

    def __init__(  # noqa: PLR0913 - options by name
        self,
        *args: Any,
        metric: Any = None,
        max_runs: int = 600,
        max_demos: int = 16,
        prompt_model: Any = None,
        perfect_score: float = 1.0,
        certify: bool = True,
        contests: int = 2,
        teacher_settings: Mapping[str, Any] | None = None,
        **common: Any,
    ) -> None:
        given = [arg for arg in args if arg != "auto"]
        if len(given) > 1 or (given and (metric is not None or isinstance(given[0], str))):
            raise ConfigurationError(f"`Auto` takes a metric, and everything else by name; got {', '.join(map(repr, args))}.")
        super().__init__(given[0] if given else metric, **common)
        self.max_runs = max_runs
        self.max_demos = max_demos
        self.prompt_model = prompt_model
        self.perfect_score = perfect_score
        self.certify = certify
        self.contests = contests
        self.teacher_settings = dict(teacher_settings or {})

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("max_runs", self.max_runs, at_least=20)
        check_number("max_demos", self.max_demos, at_least=0)
        check_number("contests", self.contests, at_least=1)
        if self.prompt_model is not None and not hasattr(self.prompt_model, "flow"):
            raise ConfigurationError(f"`prompt_model` must be a `whet.LM`, not {self.prompt_model!r}.")

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task, after everything about the arguments has been looked at."""
        if options.get("pinned") is not None:
            check_model_inputs(student, check_rows("pinned", options["pinned"], at_least=0), "pinned")
        return (yield from super().checked(student, trainset, teacher, valset, options))

    def bounds(self, task: Task) -> Bounds:
        """The budget at most; it ends earlier where nothing helps."""
        return Bounds(runs=(self.max_runs // 3, self.max_runs), asks=(6, 12 + self.max_runs // 8), demos=self.max_demos, useful=20)

    def steps(self, search: Search, *, pinned: Sequence[Any] | None = None) -> Strand[Candidate]:
        """Demos, then rounds of challengers, then the certificate."""
        pins = list(pinned or ())
        course = Course(search, self, lm_for_proposals(search, self.prompt_model))
        before = search.scores(search.baseline, pins)
        winner = yield from course.run()
        winner = yield from choose_values(search, winner, course.rows)
        winner = yield from self._unharmed(search, course, winner, pins, before)
        if course.unseen:
            certificate = yield from certify(search, winner, course.unseen, seen=course.seen_gain(winner))
            search.run.certificate = certificate
            if certificate is not None:
                search.decide("certify", winner, str(certificate))
                if not certificate.kept:
                    winner = search.baseline
        return winner

    def _unharmed(
        self, search: Search, course: Course, winner: Candidate, pinned: Sequence[Any], handles: Sequence[Handle]
    ) -> Strand[Candidate]:
        """The best candidate that does no worse on any of the pinned rows."""
        if not pinned:
            return winner
        before = yield list(handles)
        for candidate in [winner, *course.podium]:
            after = yield search.scores(candidate, pinned)
            worse = [i for i, (a, b) in enumerate(zip(after, before, strict=True)) if (a.value or 0.0) < (b.value or 0.0)]
            if not worse:
                return candidate
            search.decide("refuse", candidate, f"pinned row {worse[0]} got worse")
        return search.baseline
