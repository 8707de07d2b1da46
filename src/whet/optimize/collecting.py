"""`collect`: run a program over a trainset once, with journal and resume, and keep what happened as training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate, row_hash
from whet.optimize.checks import check_number
from whet.optimize.optimizer import Optimizer
from whet.optimize.search import Search
from whet.optimize.store import Result, Subject
from whet.optimize.strand import Strand
from whet.train.episodes import Collected, Episode, Renderer, collected, inputs_of, without_leaks, without_row

__all__ = ["Collecting", "collect", "episodes"]


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """How to run a program for its data: `samples` answers a row, from the one numbered `first` on; number 0 is the program's own answer,
    the others are drawn at `temperature`. A run is accepted for a score above 0, or from `threshold` on."""

    samples: int = 1
    first: int = 0
    temperature: float = 1.0
    threshold: float | None = None
    settings: Mapping[str, Any] | None = None

    @property
    def exploring(self) -> bool:
        """Whether other answers than the program's own are asked for."""
        return self.first + self.samples > 1

    def accepts(self, result: Result) -> bool:
        """Whether a run is good enough to learn from."""
        if result.status != "ok" or result.score is None:
            return False
        return bool(result.score.value) if self.threshold is None else result.score.value >= self.threshold


def episodes(search: Search, teachers: Sequence[Any], rows: Sequence[Any], how: Collecting) -> Strand[list[Episode]]:
    """Run each teacher on each row, in training: hints are shown, and a demo made from the row itself is not."""
    handles, asked = [], []
    for number, teacher in enumerate(teachers):
        subject = Subject(
            name=f"t{number}" if number else "t", program=teacher, settings=dict(how.settings or {}), training=True, exploring=how.exploring
        )
        base = Candidate(params=teacher.params(), note="teacher")
        for row in rows:
            candidate = _without(base, teacher, row)
            for sample in range(how.first, how.first + how.samples):
                temperature = how.temperature if how.exploring else None
                handles.append(search.score(candidate, row, subject=subject, sample=sample, temperature=temperature))
                asked.append(row)
    results: list[Result] = yield handles
    return [
        Episode(
            row=row,
            source=row_hash(row),
            score=result.score.value if result.score is not None else 0.0,
            accepted=how.accepts(result),
            steps=result.steps,
            unread=result.unread,
            prediction=result.prediction,
        )
        for row, result in zip(asked, results, strict=True)
        if result.status in ("ok", "program_error")
    ]


def _without(base: Candidate, teacher: Any, row: Any) -> Candidate:
    shown = {name: without_row(predictor, row) for name, predictor in teacher.named_predictors()}
    changed = {name: demos for name, demos in shown.items() if len(demos) < len(base.params[name].demos)}
    return base.with_demos(changed, "teacher without the row") if changed else base


class _Collect(Optimizer):
    """A search that proposes nothing: it runs the program and keeps what happened."""

    needs_metric: ClassVar[bool] = False
    chooses_values: ClassVar[bool] = False

    def __init__(self, metric: Any = None, *, how: Collecting, teachers: Sequence[Any], **common: Any) -> None:
        super().__init__(metric, **common)
        self.how = how
        self._teachers = list(teachers)
        self._found: list[Episode] = []

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        check_number("samples", self.how.samples, at_least=1)

    def steps(self, search: Search) -> Strand[Candidate]:
        """Run, remember, return the program as given."""
        self._found = yield from episodes(search, self._teachers or [search.task.student], search.train, self.how)
        return search.baseline


def collect(  # noqa: PLR0913 - each argument by keyword
    program: Any,
    trainset: Sequence[Any],
    metric: Any = None,
    *,
    teacher: Any = None,
    samples: int = 1,
    temperature: float = 1.0,
    threshold: float | None = None,
    keep_demos: bool = True,
    adapter: Any = None,
    step_reward: Any = None,
    held_out: Sequence[Any] = (),
    teacher_settings: Mapping[str, Any] | None = None,
    **common: Any,
) -> Collected:
    """Runs `program` (or `teacher`: one program or several of the same structure) on `trainset` and returns what it did as training data.

    Every run that the metric accepts (a score above 0, or from `threshold` on; without metric: every one) gives a chat row per predictor
    call, written as the student `program` would be asked: without inputs that are `train_only`, and with `keep_demos=False` without demos.
    With `samples` above 1 every row is run that often at `temperature`, which gives pairs and groups; `step_reward(example, step,
    prediction)` rates each step by itself, where the score of the whole run is too coarse. Training rows with a near-duplicate among the
    `held_out` rows are not run. `run_dir` and the other arguments of optimizers (`num_threads`, `max_calls`, ...) work here, too: a run
    that was killed goes on from its journal.

    Raises `ConfigurationError` for arguments that cannot work, and where a row cannot be written.

    >>> import whet.testing
    >>> rows = [whet.Example(question=q, answer=a).with_inputs("question") for q, a in (("2+2?", "4"), ("3+3?", "6"))]
    >>> with whet.context(lm=whet.testing.ScriptedLM(lambda request: {"answer": "4"})):
    ...     made = collect(whet.Predict("question -> answer"), rows, lambda row, prediction, trace=None: row.answer == prediction.answer)
    >>> [message["role"] for message in made.chats[0].messages], len(made.chats)
    (['system', 'user', 'assistant'], 1)
    """
    if not isinstance(keep_demos, bool):
        raise ConfigurationError(f"`keep_demos` is {keep_demos!r}; it is True or False.")
    how = Collecting(samples=samples, temperature=temperature, threshold=threshold, settings=teacher_settings)
    teachers = [] if teacher is None else list(teacher) if isinstance(teacher, list | tuple) else [teacher]
    rows, leaked = without_leaks(list(trainset), inputs_of(program, trainset), held_out) if held_out else (list(trainset), 0)
    recipe = _Collect(metric, how=how, teachers=teachers, **common)
    done = recipe.compile(program, trainset=rows)
    renderer = Renderer(student=program, adapter=adapter, demos=keep_demos)
    made = collected(recipe._found, renderer, step_reward=step_reward, leaks_dropped=leaked, spend=str(done.run.spend))
    return replace(made, run=done.run)
