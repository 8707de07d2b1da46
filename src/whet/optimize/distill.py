"""`Distill`: what a large program does becomes the weights of a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from whet.core.flow import Flow
from whet.core.trace import Step
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.optimize.bootstrap_finetune import BootstrapFinetune
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_student
from whet.optimize.collecting import Collecting, episodes
from whet.optimize.lesson import bound
from whet.optimize.search import Search, Task
from whet.optimize.store import Subject
from whet.optimize.strand import Strand
from whet.train.episodes import Episode, Renderer
from whet.train.trainer import Trainer

__all__ = ["Distill"]


class Distill(BootstrapFinetune):
    """Trains a small model to do what a large program does, and returns the program that runs on it (Hinton et al. 2015, arXiv 1503.02531).

    `Distill(metric, lm=small).compile(large, trainset=rows)` gives the same program with the model `small` behind every predictor, trained
    on what each predictor of `large` did. `compile(student, teacher=large, trainset=rows)` teaches a program of your own: one of the same
    structure step by step, and one of a single predictor, whatever the teacher looks like, by the teacher's final answers (an agent becomes
    one call). Rows need no labels: without a metric all of the teacher's answers are learnt, with one those that it accepts. The student
    learns to do without the demos unless `exclude_demos=False`.

    With a valset the run has the student before and after, and in `run.decisions` what the teacher scores there. The other arguments are as
    in `BootstrapFinetune`.

    Raises `ConfigurationError` where neither `lm` nor `teacher` is given, and where the teacher's answers lack an output of the student.

    >>> import whet.testing
    >>> rows = [whet.Example(text=f"a {word}").with_inputs("text") for word in ("rose", "sea", "leaf")]
    >>> dear = whet.testing.ScriptedLM({"rose": {"colour": "red"}, "sea": {"colour": "blue"}, "leaf": {"colour": "green"}})
    >>> large = whet.Predict("text -> colour: Literal['red', 'blue', 'green']", lm=dear)
    >>> small = Distill(lm=whet.LM("embedded")).compile(large, trainset=rows)
    >>> small(text="a leaf").colour, dear.calls
    ('green', 3)
    """

    def __init__(  # noqa: PLR0913 - each by keyword
        self,
        metric: Any = None,
        *,
        lm: Any = None,
        multitask: bool = True,
        train_kwargs: Mapping[Any, Any] | None = None,
        adapter: Any = None,
        exclude_demos: bool = True,
        trainer: Trainer | None = None,
        **common: Any,
    ) -> None:
        super().__init__(metric, multitask, train_kwargs, adapter, exclude_demos, trainer=trainer, **common)
        self.lm = lm

    def prepared(self, student: Any) -> Any:
        """The student with the small model."""
        program = student.deepcopy()
        program._compiled = False
        if self.lm is not None:
            program.set_lm(self.lm)
        return bound(program)

    def checked(self, student: Any, trainset: Any, teacher: Any, valset: Any, options: Mapping[str, Any]) -> Flow[Task]:
        """The task; without a teacher the program as given is the teacher."""
        if teacher is None and self.lm is None:
            raise ConfigurationError("`Distill` needs the small model, `Distill(metric, lm=small)`, or a `teacher` beside the student.")
        return (yield from super().checked(student, trainset, student if teacher is None else teacher, valset, options))

    def check_teacher(self, student: Any, teacher: Any) -> None:
        """Raise for teachers of another structure, unless the student is a single predictor."""
        teachers = teacher if isinstance(teacher, list | tuple) else [teacher]
        for one in teachers:
            check_student(one, role="teacher")
        if _alike(student, teachers) or len(student.named_predictors()) == 1:
            return
        raise ConfigurationError(
            f"The teacher's predictors are {_names(teachers[0])} and the student's {_names(student)}. A student of several predictors is "
            "taught step by step, so they must be the same; one of a single predictor can learn the final answers of any teacher."
        )

    def taught(self, search: Search) -> Strand[list[Episode]]:
        """What the teachers did, step by step where the student has the same steps, else as one step from inputs to the final answer."""
        teachers, student = self.teachers(search), search.task.student
        yield from self._judge(search, teachers)
        if _alike(student, teachers):
            return (yield from super().taught(search))
        how = Collecting()
        first = yield from episodes(search, teachers, search.train[:1], how)
        for run in first:
            if run.prediction is not None:  # an answer that the student cannot give is found at the first row
                self._answered(search, run)
        runs = yield from episodes(search, teachers, search.train, how)
        return [replace(run, steps=(_whole(student, run),)) for run in runs if run.prediction is not None]

    def _answered(self, search: Search, run: Episode) -> None:
        student = search.task.student
        ((name, _),) = student.named_predictors()
        Renderer(student=student, adapter=self.adapter).answer(name, run.prediction)

    def _judge(self, search: Search, teachers: Sequence[Any]) -> Strand[None]:
        """Say what the teachers score on rows of their own."""
        if search.task.val is search.task.train:
            return
        for number, teacher in enumerate(teachers):
            subject = Subject(name=f"large{number or ''}", program=teacher, settings={})
            candidate = Candidate(params=teacher.params(), note="teacher")
            results = yield search.scores(candidate, search.val, subject=subject)
            scores = [result.score.value for result in results if result.score is not None]
            if scores:
                mean = sum(scores) / len(scores)
                search.decide("teacher", None, f"the teacher scores {100 * mean:.1f} % on {counted(len(scores), 'row')}", score=mean)


def _whole(student: Any, run: Episode) -> Step:
    """A run of the teacher as one step of the student's only predictor."""
    ((name, predictor),) = student.named_predictors()
    inputs = {field: run.row[field] for field in predictor.signature.input_fields if field in run.row}
    return Step(predictor, inputs, run.prediction, name=name)


def _alike(student: Any, teachers: Sequence[Any]) -> bool:
    """Whether all have the same predictors with the same fields."""
    shapes = [[(name, tuple(p.signature.fields)) for name, p in program.named_predictors()] for program in [student, *teachers]]
    return all(shape == shapes[0] for shape in shapes)


def _names(program: Any) -> str:
    return ", ".join(f"`{name}`" for name, _ in program.named_predictors())
