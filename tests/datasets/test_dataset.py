"""`Dataset`: seeds, sizes, ids, input keys (behaviour 27.1)."""

from __future__ import annotations

from typing import Any

import pytest

from whet.core.records import Example
from whet.datasets import GSM8K
from whet.datasets.dataset import Dataset
from whet.errors import ConfigurationError


class Numbers(Dataset):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._train = [{"n": i, "square": i * i} for i in range(100)]
        self._dev = [Example(n=i, square=i * i).with_inputs("n") for i in range(20)]


def numbers(rows: list[Example]) -> list[int]:
    return [row.n for row in rows]


def test_splits_are_shuffled_by_seed_and_cut_to_size() -> None:
    data = Numbers(train_seed=1, train_size=10, dev_size=5)
    assert numbers(data.train) == numbers(Numbers(train_seed=1, train_size=10).train)
    assert len(data.train) == 10
    assert len(data.dev) == 5
    assert numbers(data.train) != numbers(Numbers(train_seed=2, train_size=10).train)
    assert sorted(numbers(Numbers().train)) == list(range(100))


def test_every_row_says_its_split_and_has_an_id_that_does_not_depend_on_the_seed() -> None:
    data, other = Numbers(train_seed=1), Numbers(train_seed=2, train_size=50)
    assert {row.dspy_split for row in data.train} == {"train"}
    assert {row.dspy_split for row in data.dev} == {"dev"}
    ids = {row.n: row.dspy_uuid for row in data.train}
    assert len(set(ids.values())) == 100
    assert all(ids[row.n] == row.dspy_uuid for row in other.train)
    assert data.train[0].keys() == ["n", "square"]


def test_rows_that_stand_there_twice_get_two_ids() -> None:
    class Twice(Dataset):
        _train = ({"a": 1}, {"a": 1})

    assert len({row.dspy_uuid for row in Twice().train}) == 2


def test_input_keys_are_set_and_those_of_examples_kept() -> None:
    assert Numbers(input_keys=["n"]).train[0].inputs().keys() == ["n"]
    assert Numbers().dev[0].inputs().keys() == ["n"]
    with pytest.raises(ValueError, match="Inputs have not been set"):
        Numbers().train[0].inputs()


def test_reset_seeds_changes_what_is_given_and_zero_counts() -> None:
    data = Numbers(train_seed=3, train_size=10, eval_seed=4, dev_size=5)
    before = numbers(data.train)
    data.reset_seeds(dev_size=2)
    assert (data.train_seed, data.train_size, data.dev_seed) == (3, 10, 4)
    assert numbers(data.train) == before
    assert len(data.dev) == 2
    data.reset_seeds(train_seed=0, train_size=0, eval_seed=0)
    assert (data.train_seed, data.dev_seed, data.test_seed) == (0, 0, 0)
    assert data.train == []


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Numbers has no `test` split; it has: train, dev"):
        _ = Numbers().test
    with pytest.raises(ConfigurationError, match="size of `train` is -1"):
        _ = Numbers(train_size=-1).train


def test_training_sets_by_seed_with_a_share_of_the_dev_rows_each() -> None:
    drawn = Numbers.prepare_by_seed(train_seeds=[1, 2], train_size=10, dev_size=6)
    assert [numbers(rows) for rows in drawn.train_sets] == [numbers(Numbers(train_seed=seed, train_size=10).train) for seed in (1, 2)]
    dev = numbers(Numbers(eval_seed=2023, dev_size=6).dev)
    assert [numbers(rows) for rows in drawn.eval_sets] == [dev[:3], dev[3:]]
    whole = Numbers.prepare_by_seed([1, 2], 10, 6, divide_eval_per_seed=False)
    assert [numbers(rows) for rows in whole.eval_sets] == [dev, dev]
    with pytest.raises(ConfigurationError, match="cannot be dealt out to 7 seeds"):
        Numbers.prepare_by_seed(range(7), 10, 6)


@pytest.mark.parametrize("size", [-1, 0.5, "3"])
def test_a_size_that_is_no_number_of_rows_is_refused(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="The size of `train` is"):
        _ = GSM8K(source="bundled", train_size=size).train
