"""`Refine`: `BestOfN` whose next run is told what was wrong with the last."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.schema import one_line, plain
from whet.core.signature import Signature
from whet.errors import AdapterParseError
from whet.modules.best_of import BestOfN, Run, Sampling
from whet.modules.predict import Predict
from whet.modules.tree import leaves_of
from whet.tools.failure import shortened

__all__ = ["Refine"]

_LONGEST: Final = 8_000
ADVICE: Final = Signature(
    {
        "program_code": InputField(desc="the program"),
        "modules": InputField(desc="its predictors by name, with their inputs, outputs and instructions"),
        "program_inputs": InputField(desc="what the program was given"),
        "program_trajectory": InputField(desc="what each predictor was given and gave, in order"),
        "program_outputs": InputField(desc="what the program gave"),
        "reward_code": InputField(desc="how the outputs are judged"),
        "reward_value": (float, InputField(desc="how good they are")),
        "target_threshold": (float, InputField(desc="how good they should be")),
        "feedback": InputField(desc="what the judge said about them; may be empty"),
        "module_names": (list[str], InputField(desc="the predictors to advise")),
        "discussion": OutputField(desc="which predictor is to blame for what"),
        "advice": (
            dict[str, str],
            OutputField(desc="for each predictor by name what it should do in the next run; N/A where it is not to blame"),
        ),
    },
    "A program was run and its outputs were not good enough. Find out which of its predictors are to blame, and give each of them advice "
    "for the next run on the same inputs: what to do in which situation, so concrete that it can be followed without knowing this run.",
)


class Refine(BestOfN):
    """Runs `module` up to `N` times until one run is good enough; after each that is not, its predictors get advice as an input `hint_`.

    What `checks` and the feedback of a reward (`Score(value=..., feedback=...)`) say reaches the predictors word for word. With a
    `reward_fn`, a model also looks at the program, its trajectory and the reward, and writes advice for each predictor (one more call;
    `advise=False` does without it). The rest is as in `BestOfN`.

    >>> import whet.testing
    >>> advised = {"discussion": "It wrote words.", "advice": {"self": "Digits only."}}
    >>> lm = whet.testing.ScriptedLM([{"answer": "about four"}, advised, {"answer": "4"}])
    >>> with whet.context(lm=lm):
    ...     program = Refine(whet.Predict("question -> answer"), N=3, reward_fn=lambda args, pred: pred.answer.isdigit(), threshold=1)
    ...     program(question="2+2?").answer
    '4'
    """

    def __init__(self, *args: Any, advise: bool | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.advise = self.reward_fn is not None if advise is None else advise

    def advice(self, sampling: Sampling, run: Run) -> Flow[dict[str, str]]:
        """Feedback for every predictor, and a model's advice for those to blame."""
        names = [name for name, _ in leaves_of(self.module, frozen=True)]
        said = run.score.feedback if run.score is not None else ""
        advised: Mapping[str, str] = {}
        if self.advise:
            try:
                found = yield from Predict(ADVICE).run_flow((), self._case(sampling, run, names, said))
                advised = found.advice
            except AdapterParseError:
                pass  # no advice is better than a lost run
        hints = {name: "\n".join(filter(None, (said, _useful(advised.get(name))))) for name in names}
        return {name: hint for name, hint in hints.items() if hint}

    def _case(self, sampling: Sampling, run: Run, names: list[str], said: str) -> dict[str, Any]:
        own = {id(predictor): name for name, predictor in leaves_of(self.module, frozen=True)}
        steps = [
            {"module_name": own.get(id(s.predictor), "?"), "inputs": plain(s.inputs), "outputs": plain(dict(s.prediction))}
            for s in run.steps
        ]
        described = [f"{name}: {p.signature.signature}\n{p.signature.instructions}" for name, p in leaves_of(self.module, frozen=True)]
        outputs = run.prediction.to_dict() if hasattr(run.prediction, "to_dict") else plain(run.prediction)
        return {
            "program_code": _source(type(self.module)),
            "modules": shortened("\n\n".join(described), _LONGEST),
            "program_inputs": shortened(one_line(plain(sampling.inputs)), _LONGEST),
            "program_trajectory": shortened(one_line(steps), _LONGEST),
            "program_outputs": shortened(one_line(outputs), _LONGEST),
            "reward_code": _source(self.reward_fn) if self.reward_fn is not None else "\n".join(c.message for c in self.checks),
            "reward_value": run.value,
            "target_threshold": self.threshold,
            "feedback": said,
            "module_names": names,
        }


def _useful(advice: str | None) -> str:
    return "" if advice is None or advice.strip().upper() in ("", "N/A", "NONE") else advice.strip()


def _source(thing: Any) -> str:
    try:
        return shortened(inspect.getsource(thing), _LONGEST)
    except (OSError, TypeError):
        return getattr(thing, "__name__", None) or type(thing).__name__
