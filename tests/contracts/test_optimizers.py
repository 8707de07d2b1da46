"""Our own optimizers keep the contract that `whet.testing.OptimizerContract` asks of everybody's."""

from __future__ import annotations

from typing import Any

import pytest

import whet
from whet.testing import OptimizerContract


class TestLabeledFewShot(OptimizerContract):
    needs_metric = False

    def make_optimizer(self, metric: Any, **options: Any) -> Any:
        return whet.LabeledFewShot(k=4, **options)


class TestBootstrapFewShot(OptimizerContract):
    def make_optimizer(self, metric: Any, **options: Any) -> Any:
        return whet.BootstrapFewShot(metric=metric, **options)


class TestBootstrapRS(OptimizerContract):
    def make_optimizer(self, metric: Any, **options: Any) -> Any:
        return whet.BootstrapRS(metric=metric, num_candidate_programs=3, **options)


class TestAuto(OptimizerContract):
    def make_optimizer(self, metric: Any, **options: Any) -> Any:
        return whet.Optimizer("auto", metric=metric, **options)


class Scrambler(whet.Optimizer):
    """Changes its student, and asks its model beside the search, where no budget and no journal sees it."""

    def prepared(self, student: Any) -> Any:
        student.signature = student.signature.append_instructions("Hurry.")
        return student

    def steps(self, search: Any) -> Any:
        yield from ()
        whet.settings.lm("Any idea?")
        return search.baseline


@pytest.mark.parametrize("broken", ["test_the_student_stays_as_it_is", "test_what_was_done_and_spent_is_on_record"])
def test_a_careless_optimizer_is_caught(broken: str) -> None:
    class Scrambled(OptimizerContract):
        def make_optimizer(self, metric: Any, **options: Any) -> Any:
            return Scrambler(metric=metric, **options)

    with pytest.raises(AssertionError):
        getattr(Scrambled(), broken)()
