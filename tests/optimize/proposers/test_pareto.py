"""Which candidates are best on some row, also where they were not run on the same rows, or on none."""

from __future__ import annotations

from random import Random

from whet.optimize.proposers.pareto import drawn, fronts, undominated, weights


def test_a_candidate_that_was_run_on_fewer_rows_counts_on_those() -> None:
    scores = [[0.0, 1.0, 0.5], [1.0], [0.0, None, 0.5]]
    assert fronts(scores) == [frozenset({1}), frozenset({0}), frozenset({0, 2})]
    assert undominated(scores) == [0, 1] and weights(scores) == {0: 2, 1: 1}


def test_rows_that_nobody_was_run_on_have_no_best() -> None:
    assert fronts([[None, 1.0], [None, 0.0]]) == [frozenset(), frozenset({0})]


def test_where_nothing_was_run_the_first_is_drawn() -> None:
    assert drawn([[], [None]], 3, Random(0)) == [0, 0, 0]


def test_each_is_drawn_as_often_as_it_is_best() -> None:
    counts = drawn([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]], 4000, Random(1))
    assert 0.72 < counts.count(0) / len(counts) < 0.78
