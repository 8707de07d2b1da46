"""Leaks: found exactly, against brute force, and fast."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from effort import within
from whet.core.records import Example
from whet.core.text import words
from whet.datasets import check_splits, find_copied, find_leaks, load_bundled
from whet.errors import ConfigurationError, InputError
from whet.modules.predict import Predict

TEXTS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=7).map(" ".join), max_size=8)


def _features(text: str) -> set[str]:
    tokens = words(text)
    return {*tokens, *(f"{a} {b}" for a, b in zip(tokens, tokens[1:], strict=False))}


@given(TEXTS, TEXTS, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_search_finds_what_brute_force_finds(train: list[str], test: list[str], threshold: float) -> None:
    def likeness(a: str, b: str) -> float:
        x, y = _features(a), _features(b)
        return len(x & y) / len(x | y) if x and y else 0.0

    best = {i: max((likeness(a, b) for a in train), default=0.0) for i, b in enumerate(test)}
    expected = {i: score for i, score in best.items() if score >= threshold - 1e-9}
    assert {leak.test_index: leak.similarity for leak in find_leaks(train, test, threshold=threshold)} == pytest.approx(expected)


def test_case_and_punctuation_do_not_hide_a_leak() -> None:
    train = [
        Example(question="What is my PIN?", answer="1").with_inputs("question"),
        Example(question="Fees?", answer="2").with_inputs("question"),
    ]
    test = [Example(question="what is my pin", answer="other").with_inputs("question")]
    (leak,) = find_leaks(train, test)
    assert (leak.train_index, leak.test_index, leak.similarity) == (0, 0, 1.0)
    assert find_leaks(train, test, fields=["answer"]) == []
    assert find_leaks([{"q": "a b c"}], [{"q": "a b c", "z": None}], fields=["q"])[0].similarity == 1.0


def test_the_bundled_banking_rows_have_near_duplicates_and_the_worst_come_first() -> None:
    leaks = find_leaks(load_bundled("banking77"), load_bundled("banking77", "test"), threshold=0.6)
    assert 1 <= len(leaks) < 100
    assert [leak.similarity for leak in leaks] == sorted((leak.similarity for leak in leaks), reverse=True)


def test_thousands_against_thousands_take_a_second_or_two() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{int(rng.paretovariate(0.4))}" for _ in range(30_000)]
    train = [" ".join(rng.choices(vocabulary, k=12)) for _ in range(4_000)]
    test = [" ".join(rng.choices(vocabulary, k=12)) for _ in range(3_990)] + train[:10]
    leaks: list[object] = []
    assert within(2_200, lambda: leaks.extend(find_leaks(train, test)))
    assert {leak.test_index for leak in leaks} >= set(range(3_990, 4_000))


def test_rows_from_one_template_which_are_all_alike_take_no_longer() -> None:
    rng = random.Random(0)
    rows = [f"What is the balance of account N{rng.randrange(900)} on day {rng.randrange(365)}, please tell me now?" for _ in range(4_000)]
    leaks: list[object] = []
    assert within(900, lambda: leaks.extend(find_leaks(rows[:2_000], rows[2_000:])))
    assert len(leaks) == 2_000


def test_of_a_row_that_thousands_are_like_one_is_named_at_once() -> None:
    rows = [f"the same words in all of them but for {n}" for n in range(3_000)]
    leaks = find_leaks(rows, [f"the same words in all of them but for x{n}" for n in range(300)])
    assert len(leaks) == 300 and len({leak.similarity for leak in leaks}) == 1


def test_rows_copied_into_an_instruction_are_found() -> None:
    rows = ["Where on earth is my brand new card that I ordered?", "Unrelated", "brand new card that I"]
    text = "Classify. For example: 'where on earth is my brand NEW card', or 'brand new card that I ordered?'"
    assert [(c.index, c.span) for c in find_copied(text, rows, length=5)] == [
        (0, "where on earth is my brand new card"),
        (2, "brand new card that i"),
    ]
    assert find_copied(text, rows, length=9) == []
    assert find_copied("short", rows) == []


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_mistakes_are_named(threshold: float) -> None:
    with pytest.raises(ConfigurationError, match="`threshold`"):
        find_leaks([], [], threshold=threshold)
    with pytest.raises(ConfigurationError, match="`length` is 0"):
        find_copied("a", ["a"], length=0)


def test_demos_and_splits_are_compared_with_each_other() -> None:
    rows = [Example(question=f"What is the capital of country number {word}?", answer="x").with_inputs("question") for word in "abcdefgh"]
    program = Predict("question -> answer")
    program.demos = [rows[0], rows[6]]
    found = check_splits(program, train=rows[:3], dev=rows[3:5], test=rows[5:], threshold=1.0)
    assert {pair: [leak.test_index for leak in leaks] for pair, leaks in found.items()} == {("demos", "test"): [1]}
    assert check_splits(train=rows[:3], test=rows[2:4], threshold=1.0).keys() == {("train", "test")}


def test_a_check_that_would_look_at_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="none of the fields text; it has: q"):
        find_leaks([{"q": "x"}], [{"q": "x"}], fields=["text"])
    with pytest.raises(InputError, match="an int"):
        find_leaks([3], [3])
    with pytest.raises(InputError, match="this is one str"):
        find_leaks("abc", ["abc"])
    wrong = (("text", [], "give a list of field names"), (None, None, "this is one NoneType"), (None, {"q": "x"}, "one dict"))
    for fields, split, says in wrong:
        with pytest.raises(InputError, match=says):
            find_leaks(split, ["x"], fields=fields)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="this is one str: 'abc'"):
        check_splits(train="abc", test=["a"])
    for splits in ({}, {"train": ["x"]}):
        with pytest.raises(InputError, match="nothing to compare"):
            check_splits(**splits)
    assert check_splits(train=(row for row in ["a", "b"]), dev=["c"], test=["b"]).keys() == {("train", "test")}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("don't say it's good", "don\u2019t say it\u2019s good"),
        ("hello world now", "hel\u200blo wor\u00adld\u00a0now"),
        ("caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "\u0928\u092e\u0938\u094d\u0924\u0947\u0964"),
        ("\U0001f44d +1?", "\U0001f44d +1?"),
        ("???", "???"),
    ],
)
def test_what_looks_the_same_is_the_same(train: str, test: str) -> None:
    assert [leak.similarity for leak in find_leaks([train], [test])] == [1.0]


def test_languages_without_spaces_are_compared_by_their_characters() -> None:
    card, pin = "\u8bf7\u95ee\u6211\u600e\u6837\u624d\u80fd\u4fee\u6539\u6211\u7684", "\u94f6\u884c\u5361\u5bc6\u7801"
    assert find_leaks([card + pin], [card.replace("\u6837", "\u4e48") + pin])[0].similarity > 0.7
    assert find_leaks([card], [pin]) == []
    assert [copied.span for copied in find_copied(f"note: {card}{pin}!", [card + pin])] == [card + pin]


def test_rows_that_are_all_half_alike_are_told_apart_without_comparing_each_with_each() -> None:
    rng = random.Random(0)
    names = [" ".join(f"w{rng.randrange(300)}" for _ in range(7)) for _ in range(4_000)]
    rows = [f"please give me the current price of one share of stock in {name}" for name in names]
    assert within(1_400, lambda: find_leaks(rows[:2_000], rows[2_000:]))


def test_an_equal_row_is_named_however_many_come_near() -> None:
    rows = [f"the same words stand in all of these {n % 7} rows" for n in range(3_000)] + ["the same words stand in all of these rows"]
    (leak,) = find_leaks(rows, ["The same words stand in all of these rows!"])
    assert (leak.train_index, leak.similarity) == (3_000, 1.0)
