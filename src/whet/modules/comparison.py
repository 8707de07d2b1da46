"""`MultiChainComparison`: several attempts, compared by the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.records import Prediction
from whet.core.signature import Signature
from whet.core.wording import counted
from whet.errors import InputError, PreconditionError
from whet.modules.answering import Answering, P, R, Untyped
from whet.modules.predict import Predict, _signature_of

__all__ = ["MultiChainComparison"]


class MultiChainComparison(Answering[P, R]):
    """Shows `M` attempts at the same inputs to the model, which writes a corrected `rationale` and the outputs (Yoran et al. 2023,
    arXiv 2304.13007).

    Called as `compare(completions, **inputs)`; each completion has a `rationale` or `reasoning` and the last output.

    >>> import whet.testing
    >>> attempts = [{"reasoning": "2 and 2", "answer": "4"}, {"reasoning": "a guess", "answer": "5"}]
    >>> with whet.context(lm=whet.testing.ScriptedLM([{"rationale": "The first one counts.", "answer": "4"}])):
    ...     MultiChainComparison("question -> answer", M=2)(attempts, question="2+2?").answer
    '4'
    """

    if TYPE_CHECKING:

        def __call__(self, completions: Sequence[Mapping[str, Any]], /, **inputs: Any) -> R: ...  # type: ignore[override]
        async def acall(self, completions: Sequence[Mapping[str, Any]], /, **inputs: Any) -> R: ...  # type: ignore[override]

    def __init__(self, signature: Callable[P, R] | Untyped, M: int = 3, temperature: float = 0.7, **config: Any) -> None:
        super().__init__()
        given: Signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        self.M = M
        self.last_key = list(given.output_fields)[-1]
        for number in range(1, M + 1):
            given = given.append(f"reasoning_attempt_{number}", InputField(desc=f"attempt {number}: its reasoning and its answer"), str)
        given = given.prepend("rationale", OutputField(desc="what is right after all, step by step, with the attempts in view"), str)
        self.predict = Predict(given, temperature=temperature, **config)

    def flow(self, completions: Sequence[Mapping[str, Any]] = (), /, **inputs: Any) -> Flow[Prediction]:
        """One prediction that has seen the attempts."""
        if not completions and "completions" not in self.predict.signature.input_fields:
            completions = inputs.pop("completions", ())
        if len(completions) != self.M:
            raise PreconditionError(f"`MultiChainComparison` compares {counted(self.M, 'attempt')} (`M`), but {len(completions)} came.")
        attempts = {f"reasoning_attempt_{i}": self._attempt(completion) for i, completion in enumerate(completions, 1)}
        return self.predict.run_flow((), {**attempts, **inputs})

    def _attempt(self, completion: Mapping[str, Any]) -> str:
        rationale = completion.get("rationale", completion.get("reasoning"))
        if rationale is None or self.last_key not in completion:
            raise InputError(
                f"A completion needs a `rationale` or `reasoning` and `{self.last_key}`; this one has: {', '.join(completion)}."
            )
        return f"«I'm trying to {_first_line(rationale)} I'm not sure but my prediction is {_first_line(completion[self.last_key])}»"


def _first_line(value: Any) -> str:
    return str(value).strip().split("\n")[0].strip()
