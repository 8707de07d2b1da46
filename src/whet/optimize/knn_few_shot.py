"""`KNNFewShot`: demos chosen anew for each input, from the rows most like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from whet.core.flow import Flow
from whet.modules.module import Module
from whet.optimize.checks import check_rows, check_student
from whet.optimize.few_shot import BootstrapFewShot
from whet.optimize.optimizer import Optimizer
from whet.retrieve.knn import KNN

__all__ = ["KNNFewShot", "NearestDemos"]


class KNNFewShot(Optimizer):
    """Makes a program that, for each call, bootstraps its demos from the `k` rows of `trainset` nearest to the inputs (after Liu et al.
    2022, arXiv 2101.06804).

    `vectorizer` turns texts into vectors (`whet.Embedder`, or any function of a list of texts); the rest are arguments of
    `BootstrapFewShot`. Rows are embedded once. A call costs up to `k` runs of the teacher on top of its own, which the cache makes free
    where rows come again; with `max_bootstrapped_demos=0` it costs none.

    >>> import whet.testing
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue")]
    >>> def vectors(texts):
    ...     return [[text.count(letter) for letter in "rgb"] for text in texts]
    >>> optimizer = KNNFewShot(k=1, trainset=rows, vectorizer=vectors, max_bootstrapped_demos=0)
    >>> lm = whet.testing.ScriptedLM([{"colour": "green"}])
    >>> with whet.context(lm=lm):
    ...     _ = optimizer.compile(whet.Predict("text -> colour"))(text="a green hat")
    >>> [message.text.splitlines()[1] for message in lm.requests[0].messages if message.role == "user"]
    ['a green coat', 'a green hat']
    """

    def __init__(self, k: int, trainset: Sequence[Any], vectorizer: Callable[[list[str]], Any], **few_shot_bootstrap_args: Any) -> None:
        super().__init__()
        self.KNN = KNN(k, check_rows("trainset", trainset), vectorizer)
        BootstrapFewShot(**few_shot_bootstrap_args).check_arguments()
        self.few_shot_bootstrap_args = few_shot_bootstrap_args

    def compile(self, student: Any, *, trainset: Any = None, teacher: Any = None, valset: Any = None, **options: Any) -> Any:
        """The program with its own demos for each call; costs nothing by itself."""
        check_student(student)
        return NearestDemos(student.reset_copy(), self.KNN, self.few_shot_bootstrap_args, teacher)


class NearestDemos(Module):
    """A program around another one: finds the nearest rows, bootstraps demos from them, and answers with those."""

    def __init__(self, program: Module, nearest: KNN, arguments: dict[str, Any], teacher: Module | None = None) -> None:
        super().__init__()
        self.program = program
        self._nearest, self._arguments, self._teacher = nearest, arguments, teacher

    def flow(self, /, *args: Any, **inputs: Any) -> Flow[Any]:
        """One answer, with demos of its own."""
        rows = self._nearest(**inputs)
        compiled = yield from BootstrapFewShot(**self._arguments).flow(self.program, trainset=rows, teacher=self._teacher)
        return (yield from compiled.run_flow(args, inputs))
