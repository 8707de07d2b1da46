"""`BestOfN`: several runs of a module, of which the best by a reward is given."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.core.context import context, current
from whet.core.field import InputField
from whet.core.flow import Flow, Invoke
from whet.core.records import Prediction, Score
from whet.core.replay import Failure
from whet.core.trace import Step, Trace
from whet.errors import AssertionFailed, BudgetExceeded, ConfigurationError
from whet.modules.calling import called
from whet.modules.check import Check
from whet.modules.module import Module
from whet.modules.tree import leaves_of

__all__ = ["BestOfN", "Run", "Sampling"]

_logger = logging.getLogger(__name__)
TEMPERATURE = 1.0


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of the module: what it gave and how good that was, or why it failed."""

    prediction: Any = None
    score: Score | None = None
    error: Exception | None = None
    steps: list[Any] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The reward; a failed run is worse than any other."""
        return float("-inf") if self.score is None else self.score.value


class BestOfN(Module):
    """Runs `module` up to `N` times, at temperature 1 and each with a cache of its own, until one is good enough; gives the best.

    `reward_fn(inputs, prediction)` may be async and return whatever a metric may; `threshold` is what is good enough. `checks` are
    functions of the prediction (or of inputs and prediction) that return whether it is right, or a text that says what is not; without a
    `reward_fn` the reward is the part of them that hold, and all of them are wanted. With `required=True` a result that is not good
    enough raises `AssertionFailed` with every attempt. A run that raises is logged; more than `fail_count` of them (default: `N`), or
    nothing but such runs, raise the last one's exception.

    >>> import whet.testing
    >>> lm = whet.testing.ScriptedLM([{"answer": "about four"}, {"answer": "4"}])
    >>> with whet.context(lm=lm):
    ...     program = BestOfN(whet.Predict("question -> answer"), N=3, reward_fn=lambda args, pred: pred.answer.isdigit(), threshold=1)
    ...     program(question="2+2?").answer, lm.calls
    ('4', 2)
    """

    def __init__(  # noqa: PLR0913 - the arguments that people know, and two by keyword
        self,
        module: Module,
        N: int,
        reward_fn: Callable[..., Any] | None = None,
        threshold: float | None = None,
        fail_count: int | None = None,
        *,
        checks: Sequence[Any] = (),
        required: bool = False,
    ) -> None:
        super().__init__()
        if N < 1:
            raise ConfigurationError(f"`N` is {N}; there must be at least 1 run.")
        if reward_fn is None and not checks:
            raise ConfigurationError("Give a `reward_fn`, or `checks` that say whether a prediction is right.")
        if not isinstance(module, Module):
            raise ConfigurationError(f"`module` is a `whet.Module`, whose predictors can be run again; this is {module!r}.")
        self.module, self.N = module, N
        self.reward_fn = None if reward_fn is None else checked_reward(reward_fn)
        self.checks = tuple(Check.of(check) for check in checks)
        self.threshold = 1.0 if threshold is None else threshold
        self.fail_count = N if fail_count is None else fail_count
        self.required = required

    def flow(self, /, *args: Any, **inputs: Any) -> Flow[Any]:
        """Runs until one is good enough."""
        return Sampling(self, args, inputs).flow()

    def advice(self, sampling: Sampling, run: Run) -> Flow[dict[str, str]]:
        """What each predictor, by name, is told in the next run; nothing here."""
        yield from ()
        return {}


def checked_reward(reward_fn: Any) -> Callable[..., Any]:
    """A function of the inputs and the prediction. Raises `ConfigurationError` for what cannot be called so, before a run is paid."""
    called: Callable[..., Any] = reward_fn
    try:
        inspect.signature(called).bind({}, None)
    except ValueError:
        pass  # a function that says nothing of its arguments
    except TypeError as error:
        raise ConfigurationError(
            f"`reward_fn` is called as `reward_fn(inputs, prediction)`; {reward_fn!r} does not fit: {error}."
        ) from None
    return called


class Sampling:
    """One call of a `BestOfN`."""

    def __init__(self, owner: BestOfN, args: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        self.owner, self.args, self.inputs = owner, args, inputs
        self.runs: list[Run] = []
        self.hints: dict[str, str] = {}

    def flow(self) -> Flow[Any]:
        owner = self.owner
        for number in range(owner.N):
            run = yield from self._run(number)
            self.runs.append(run)
            if run.value >= owner.threshold:
                break
            if run.error is None and number + 1 < owner.N:
                self.hints = yield from owner.advice(self, run)
        return self._best()

    def _run(self, number: int) -> Flow[Run]:
        program = self._program(number)
        run, steps = Run(), Trace()
        try:
            with context(trace=steps):
                run.prediction = yield from called(program, self.args, dict(self.inputs))
            run.score = yield from self._score(run.prediction)
        except (BudgetExceeded, ConfigurationError):
            raise
        except Exception as error:
            _logger.warning("Run %d of `%s` failed: %s: %s", number + 1, type(self.owner.module).__name__, type(error).__name__, error)
            run.error = error
            if sum(r.error is not None for r in self.runs) + 1 > self.owner.fail_count:
                raise
        run.steps = self._own_steps(program, steps)
        return run

    def _program(self, number: int) -> Any:
        program = self.owner.module.deepcopy()
        for name, predictor in leaves_of(program, frozen=True):
            lm = predictor.lm or current().lm
            start = (getattr(lm, "kwargs", None) or {}).get("rollout_id") or 0
            predictor.update_config(temperature=TEMPERATURE, rollout_id=start + number)
            if hint := self.hints.get(name):
                predictor.signature = hinted(predictor.signature, hint)
        return program

    def _score(self, prediction: Any) -> Flow[Score]:
        owner = self.owner
        problems = [check.problem(self.inputs, prediction) for check in owner.checks]
        said = "\n".join(filter(None, problems))
        kept = sum(not problem for problem in problems)
        if owner.reward_fn is None:
            return Score(value=kept / len(problems), feedback=said)
        score = Score.of((yield Invoke(owner.reward_fn, (self.inputs, prediction))))
        feedback = "\n".join(filter(None, (score.feedback, said)))
        failed = len(problems) - kept
        return Score(value=min(score.value, owner.threshold) - failed if failed else score.value, feedback=feedback)

    def _own_steps(self, program: Any, steps: Trace) -> list[Any]:
        # The steps were made by a copy; those who learn from them know the predictors of the module itself.
        own = dict(leaves_of(self.owner.module, frozen=True))
        by_copy = {id(copy): own[name] for name, copy in leaves_of(program, frozen=True) if name in own}
        return [Step(by_copy.get(id(s.predictor), s.predictor), s.inputs, s.prediction, s.name, s.seconds) for s in steps]

    def _best(self) -> Any:
        best = max(self.runs, key=lambda run: run.value)
        if best.error is not None:
            raise self.runs[-1].error or best.error
        if best.value < self.owner.threshold:
            self._not_good_enough(best)
        if current().trace is not None:
            current().trace.extend(best.steps)
        return best.prediction

    def _not_good_enough(self, best: Run) -> None:
        why = best.score.feedback if best.score is not None else ""
        if self.owner.required:
            attempts = tuple(
                Failure(inputs=self.inputs, outputs=run.prediction, message=str(run.error) if run.score is None else run.score.feedback)
                for run in self.runs
            )
            message = f"None of {len(self.runs)} runs was good enough; the best has {best.value:g} of {self.owner.threshold:g}."
            raise AssertionFailed(f"{message} {why}".strip(), attempts=attempts)
        if why and isinstance(best.prediction, Prediction):
            best.prediction.note_suggestions([why])


def hinted(signature: Any, hint: str) -> Any:
    """The signature with the hint as a further input that is there already."""
    return signature.append("hint_", InputField(desc="advice from an earlier run that was not good enough", default=hint), str)
