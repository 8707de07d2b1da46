"""`GRPO`: the program's metric is the reward, and its model learns from groups of its own answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from whet.core.flow import Flow
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.collecting import Collecting, episodes
from whet.optimize.lesson import Lesson, bound, config_for, ready, shares, trained
from whet.optimize.optimizer import Optimizer
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand
from whet.train.data import Pair, Rewarded, TrainData
from whet.train.episodes import Collected, Renderer, collected
from whet.train.trainer import METHODS, Trainer

__all__ = ["GRPO"]


class GRPO(Optimizer):
    """Group-relative policy optimization of a whole program (Shao et al. 2024, arXiv 2402.03300; for programs of several modules Ziems et
    al. 2025, arXiv 2508.04660).

    Each of `num_train_steps` steps draws `rows_per_step` training rows, runs the program `group_size` times on each at `temperature`, and
    trains the model of each predictor (all that share one together) towards the answers that the metric, or `step_reward(example, step,
    prediction)`, rates above the others on the same prompt. Each model is a candidate, scored on the valset (default: the trainset); the
    best is returned. An answer that cannot be read earns `format_failure_score`, so that form is learnt, too; the readable answers of a run
    that failed earn `failure_score`. Steps whose answers all earn the same teach nothing and are skipped. `train_kwargs` go to the trainer
    (`epochs`, `learning_rate`, `beta`, the weight of staying near the start). `multitask`, `exclude_demos`, `adapter` and `trainer` are as
    in `BootstrapFinetune`.

    >>> import whet
    >>> known = {"rose": "red", "sea": "blue", "leaf": "green"}
    >>> rows = [whet.Example(text=f"a {word}", colour=colour).with_inputs("text") for word, colour in known.items()]
    >>> optimizer = GRPO(lambda row, prediction, trace=None: row.colour == prediction.colour, num_train_steps=1, group_size=4)
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour: Literal['red', 'blue', 'green']"), trainset=rows)
    >>> better.run.stop_reason, [candidate.note.partition(":")[0] for candidate in better.run.candidates]
    ('finished', ['as given', 'trained'])
    """

    needs_metric: ClassVar[bool] = True
    chooses_values: ClassVar[bool] = False
    freezes: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - each by keyword
        self,
        metric: Any = None,
        *,
        num_train_steps: int = 4,
        rows_per_step: int = 16,
        group_size: int = 8,
        temperature: float = 1.0,
        step_reward: Any = None,
        failure_score: float = 0.0,
        format_failure_score: float = -1.0,
        multitask: bool = True,
        exclude_demos: bool = False,
        train_kwargs: Mapping[Any, Any] | None = None,
        adapter: Any = None,
        trainer: Trainer | None = None,
        **common: Any,
    ) -> None:
        super().__init__(metric, **common)
        self.num_train_steps = num_train_steps
        self.rows_per_step = rows_per_step
        self.group_size = group_size
        self.temperature = temperature
        self.step_reward = step_reward
        self.failure_score = failure_score
        self.format_failure_score = format_failure_score
        self.multitask = multitask
        self.exclude_demos = exclude_demos
        self.train_kwargs = dict(train_kwargs or {})
        self.adapter = adapter
        self.trainer = trainer

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("num_train_steps", self.num_train_steps, at_least=1)
        check_number("rows_per_step", self.rows_per_step, at_least=1)
        check_number("group_size", self.group_size, at_least=2)
        if not self.temperature > 0:
            raise ConfigurationError(f"`temperature` is {self.temperature!r}; answers of a group must differ, so it is above 0.")
        if not self.format_failure_score < self.failure_score:
            raise ConfigurationError(
                f"`format_failure_score` is {self.format_failure_score!r}, `failure_score` is {self.failure_score!r}: an unreadable answer "
                "must earn less than a run that failed, else form is not learnt."
            )

    def prepared(self, student: Any) -> Any:
        """A copy whose predictors all have a model of their own."""
        return bound(student)

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task, once there is a trainer for every model."""
        task = yield from super().checked(student, trainset, teacher, valset, options)
        yield from ready(self, task.student, self.taught_by)
        return task

    @property
    def taught_by(self) -> str:
        """The method of training."""
        return "grpo"

    def steps(self, search: Search) -> Strand[Candidate]:
        """Sample, reward, train, score; again from there."""
        current = yield from scored(search, search.baseline)
        best = current
        for step in range(self.num_train_steps):
            rows = self._rows(search, step)
            how = Collecting(samples=self.group_size, first=1 + step * self.group_size, temperature=self.temperature)
            program = search.program_of(current)
            runs = yield from episodes(search, [program], rows, how)
            renderer = Renderer(student=program, adapter=self.adapter, demos=not self.exclude_demos)
            made = collected(runs, renderer, step_reward=self.step_reward, format_failure_score=self.format_failure_score)
            lessons = lessons_of(self, program, made, self.taught_by)
            if not lessons:
                search.decide("skip", current, f"step {step + 1}: all answers to each prompt earned the same, so there is nothing to learn")
                continue
            current = yield from trained(search, current, lessons, self.trainer)
            current = yield from scored(search, current)
            best = better(search, best, current)
        return best

    def _rows(self, search: Search, step: int) -> list[Any]:
        rows = list(search.train)
        return search.rng("rows", step).sample(rows, min(self.rows_per_step, len(rows)))


def lessons_of(recipe: Any, program: Any, made: Collected, method: str) -> list[Lesson]:
    """One training for each model for which there is something to prefer."""
    telling: Sequence[Pair | Rewarded] = made.pairs
    if METHODS[method] == "rewarded":
        telling = [group for group in made.groups if len(set(group.rewards)) > 1]
    lessons = []
    for lm, names in shares(program, recipe.multitask):
        mine = tuple(row for row in telling if row.predictor in names)
        if mine:
            lessons.append(Lesson(lm=lm, predictors=names, data=TrainData(rows=mine), config=config_for(recipe, program, lm, method)))
    return lessons


def scored(search: Search, candidate: Candidate) -> Strand[Candidate]:
    """A candidate, once it has been run on all rows to judge by."""
    search.add(candidate)
    yield search.scores(candidate, search.val)
    search.announce(candidate, search.val)
    return candidate


def better(search: Search, old: Candidate, new: Candidate) -> Candidate:
    """The one with the higher mean, the old one where they are equal; marked as the best so far."""
    means = [search.trial(candidate, search.val).score or 0.0 for candidate in (old, new)]
    best = new if means[1] > means[0] else old
    search.mark(best, max(means))
    return best
