"""What a user writes, as a type checker sees it: what it must infer, and what it must refuse.

`# reveals: T` after a `reveal_type(...)` is the type both checkers must print. `# expect-error: pyright=rule mypy=code` is an error
that both must find on that line (one of the two when only one is named). Any other error fails the check.
Run by `check.py`; never imported.
"""

from __future__ import annotations

import whet


def errors_carry_their_details(error: whet.LMRateLimitError) -> float | None:
    """The attributes of an error are typed."""
    reveal_type(error.retry_after)  # reveals: float | None
    reveal_type(error.status)  # reveals: int | None
    reveal_type(error.attempts)  # reveals: int
    return error.retry_after


def a_misspelt_name_is_found() -> None:
    """The lazy root hides nothing from a checker."""
    whet.LMEror  # expect-error: pyright=reportAttributeAccessIssue mypy=attr-defined


def a_wrong_type_is_found(error: whet.WhetError) -> None:
    """What an error holds has one type."""
    text: int = error.message  # expect-error: pyright=reportAssignmentType mypy=assignment
    print(text)


def one_tree() -> None:
    """Every error is a WhetError, and some are also what Python programmers catch."""
    for kind in (whet.InputError("?"), whet.SignatureError("?")):
        as_value_error: ValueError = kind
        print(as_value_error)


def data_and_models_have_types() -> None:
    """What a user makes first is what the checker says it is."""
    example = whet.Example(question="2+2?", answer="4").with_inputs("question")
    reveal_type(example)  # reveals: Example
    reveal_type(whet.LM("embedded"))  # reveals: LM
    whet.LM(5)  # expect-error: pyright=reportArgumentType mypy=arg-type


class Answer(whet.Signature):
    """Answer the question."""

    question: str = whet.InputField()
    answer: float = whet.OutputField(desc="a number", ge=0)


def metric(example: whet.Example, prediction: whet.Prediction, trace: object = None) -> bool:
    """A metric in strict code."""
    return bool(example.answer == prediction.answer)
