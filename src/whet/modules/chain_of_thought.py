"""`ChainOfThought` and `ChainOfThoughtWithHint`: reason first, then answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from whet.core.context import current
from whet.core.field import Field, InputField, OutputField
from whet.core.flow import Flow
from whet.core.signature import Signature
from whet.modules.answering import Answering, P, R, Untyped
from whet.modules.predict import Predict, _signature_of

__all__ = ["ChainOfThought", "ChainOfThoughtWithHint"]

_logger = logging.getLogger(__name__)
# Under this name a signature keeps that its hint was left out, and that this was said.
_SAID = "hint left out"


class ChainOfThought(Answering[P, R]):
    """A `Predict` whose first output is the reasoning that leads to the others (Wei et al. 2022, arXiv 2201.11903).

    `rationale_field` replaces the `reasoning` field, `rationale_field_type` its type. Other keywords are those of `Predict`.

    >>> list(ChainOfThought("question -> answer").predict.signature.output_fields)
    ['reasoning', 'answer']
    """

    def __init__(
        self, signature: Callable[P, R] | Untyped, rationale_field: Any = None, rationale_field_type: Any = str, **config: Any
    ) -> None:
        super().__init__()
        signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        self.predict = Predict(with_reasoning(signature, rationale_field, rationale_field_type), **config)

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Any]:
        """One prediction with its reasoning."""
        return self.predict.run_flow(args, kwargs)


class ChainOfThoughtWithHint(Answering[P, R]):
    """A `ChainOfThought` that may be given a `hint` while demos and training data are made, and never afterwards.

    The hint is a training-only input: outside of training it is accepted and left out of the prompt, which the log says once.

    >>> import whet.testing
    >>> lm = whet.testing.ScriptedLM([{"reasoning": "Two and two.", "answer": "4"}])
    >>> with whet.context(lm=lm):
    ...     ChainOfThoughtWithHint("question -> answer")(question="2+2?", hint="It is even.").answer
    '4'
    >>> "It is even." in lm.requests[0].messages[-1].text
    False
    """

    def __init__(
        self, signature: Callable[P, R] | Untyped, rationale_field: Any = None, rationale_field_type: Any = str, **config: Any
    ) -> None:
        super().__init__()
        signature = signature if isinstance(signature, Signature) else _signature_of(signature)
        if "hint" not in signature.input_fields:
            signature = signature.append(
                "hint", InputField(desc="what the answer should come to", train_only=True, default=None), str | None
            )
        self.predict = Predict(with_reasoning(signature, rationale_field, rationale_field_type), **config)

    def flow(self, /, *args: Any, **kwargs: Any) -> Flow[Any]:
        """One prediction; in training, one that knows the hint."""
        if kwargs.get("hint") is not None and not current().training:
            _say_that_hints_are_left_out(self.predict.signature)
        return self.predict.run_flow(args, kwargs)


def _say_that_hints_are_left_out(signature: Signature) -> None:
    if signature.fields["hint"].train_only and not signature.plans.get(_SAID):
        signature.plans[_SAID] = True
        _logger.warning(
            "The `hint` is left out of the prompt: `ChainOfThoughtWithHint` shows it only while demos and training data are made. "
            "An input of your own is shown always: `whet.ChainOfThought('question, hint -> answer')`."
        )


def with_reasoning(signature: Signature, field: Any = None, type_: Any = str) -> Signature:
    """The signature with an output for the reasoning put first."""
    if isinstance(field, Field) and field.annotation is not None:
        type_ = field.annotation
    name = getattr(field, "name", "") or "reasoning"
    return signature.prepend(name, field if isinstance(field, Field) else OutputField(desc="${reasoning}"), type_)
