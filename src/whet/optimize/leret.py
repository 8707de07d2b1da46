"""`LeReT`: the program tries different answers by seeing different demos, and its model learns to prefer what earned more, without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.checks import check_number
from whet.optimize.collecting import Collecting, episodes
from whet.optimize.grpo import GRPO, better, lessons_of, scored
from whet.optimize.lesson import trained
from whet.optimize.proposers.bootstrapped import demos_of
from whet.optimize.search import Search
from whet.optimize.strand import Strand
from whet.train.episodes import Episode, Renderer, collected
from whet.train.trainer import Trainer

__all__ = ["LeReT"]


class LeReT(GRPO):
    """Learning to retrieve by trying (Hsu et al. 2024, arXiv 2410.23214), for any program whose steps can be rated one by one.

    Each of `iterations` rounds runs the program on the trainset under `demo_sets` different sets of `demos_per_set` demos, taken from its
    own accepted runs: the sets make the answers differ. `step_reward(example, step, prediction)` rates each step (the metric rates the
    whole run where it is left out), answers to one prompt that earned differently become pairs, written without demos (context
    distillation), and the model is trained by `method` (`"ipo"` or `"dpo"`). `samples` runs of each set above one are drawn at
    `temperature`. Every round's model is a candidate, scored without demos on the valset; the best is returned. The other arguments are as
    in `BootstrapFinetune`.

    >>> import whet
    >>> known = {"rose": "red", "sea": "blue", "leaf": "green"}
    >>> rows = [whet.Example(text=f"a {word}", colour=colour).with_inputs("text") for word, colour in known.items()]
    >>> optimizer = LeReT(lambda row, prediction, trace=None: row.colour == prediction.colour, iterations=1, demo_sets=2)
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     better = optimizer.compile(whet.Predict("text -> colour: Literal['red', 'blue', 'green']"), trainset=rows)
    >>> better.run.stop_reason, [candidate.note.partition(":")[0] for candidate in better.run.candidates]
    ('finished', ['as given', 'trained'])
    """

    def __init__(  # noqa: PLR0913 - each by keyword
        self,
        metric: Any = None,
        *,
        step_reward: Any = None,
        iterations: int = 2,
        demo_sets: int = 4,
        demos_per_set: int = 3,
        samples: int = 2,
        temperature: float = 1.0,
        method: str = "ipo",
        multitask: bool = True,
        train_kwargs: Mapping[Any, Any] | None = None,
        adapter: Any = None,
        trainer: Trainer | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            metric,
            step_reward=step_reward,
            temperature=temperature,
            multitask=multitask,
            exclude_demos=True,
            train_kwargs=train_kwargs,
            adapter=adapter,
            trainer=trainer,
            **common,
        )
        self.iterations = iterations
        self.demo_sets = demo_sets
        self.demos_per_set = demos_per_set
        self.samples = samples
        self.preference = method

    def check_arguments(self) -> None:
        """Raise for numbers that cannot be."""
        super().check_arguments()
        for name in ("iterations", "demo_sets", "demos_per_set", "samples"):
            check_number(name, getattr(self, name), at_least=1)
        if self.preference not in ("ipo", "dpo"):
            raise ConfigurationError(f"`method` is {self.preference!r}; preferences are learnt by 'ipo' or 'dpo'.")

    @property
    def taught_by(self) -> str:
        """The method of training."""
        return self.preference

    def steps(self, search: Search) -> Strand[Candidate]:
        """Explore under several demo sets, prefer, train, score; again from there."""
        start = search.baseline.with_demos(dict.fromkeys(search.baseline.params, ()), "without demos")
        current = yield from scored(search, start)
        best = better(search, search.baseline, current) if search.baseline != current else current
        for turn in range(self.iterations):
            runs = yield from self._explored(search, current, turn)
            program = search.program_of(current)
            made = collected(runs, Renderer(student=program, adapter=self.adapter, demos=False), step_reward=self.step_reward)
            lessons = lessons_of(self, program, made, self.taught_by)
            search.decide("collect", current, f"round {turn + 1}: {counted(len(made.pairs), 'pair')} from {counted(len(runs), 'run')}")
            if not lessons:
                break
            current = yield from self._next(search, current, lessons)
            best = better(search, best, current)
        return best

    def _next(self, search: Search, current: Candidate, lessons: Sequence[Any]) -> Strand[Candidate]:
        return (yield from scored(search, (yield from trained(search, current, lessons, self.trainer))))

    def _explored(self, search: Search, current: Candidate, turn: int) -> Strand[list[Episode]]:
        """Runs under each demo set; a first pass without demos gives the runs that demos are made of."""
        first = yield from episodes(search, [search.program_of(current)], search.train, self._how(turn, 0))
        right = [demos_of(episode.steps) for episode in first if episode.accepted]
        programs = []
        for number in range(self.demo_sets if right else 0):
            chosen = search.rng("demos", turn, number).sample(right, min(self.demos_per_set, len(right)))
            demos = {name: [made[name] for made in chosen if name in made] for name in current.params}
            programs.append(search.program_of(current.with_demos(demos, f"demo set {number}")))
        more = yield from episodes(search, programs, search.train, self._how(turn, 1))
        return [*first, *more]

    def _how(self, turn: int, part: int) -> Collecting:
        return Collecting(samples=self.samples, first=(2 * turn + part) * self.samples, temperature=self.temperature)
