"""Leaks: found exactly, against brute force, and fast."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from effort import within
from whet.core.records import Example
from whet.core.text import word_units, words
from whet.datasets import check_splits, find_copied, find_leaks, load_bundled
from whet.errors import ConfigurationError, InputError
from whet.modules.predict import Predict
from whet.retrieve import BM25

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
        ("reset my card password", "r\u0435set my c\u0430rd p\u0430ssw\u043erd"),
        ("TEST the PIN", "\u0422EST the \u03a1IN"),
        ("a scope", "\u0430 sc\u043ep\u0435"),
    ],
)
def test_what_looks_the_same_is_the_same(train: str, test: str) -> None:
    assert [leak.similarity for leak in find_leaks([train], [test])] == [1.0]


def test_languages_without_spaces_are_compared_by_their_characters() -> None:
    card, pin = "\u8bf7\u95ee\u6211\u600e\u6837\u624d\u80fd\u4fee\u6539\u6211\u7684", "\u94f6\u884c\u5361\u5bc6\u7801"
    assert find_leaks([card + pin], [card.replace("\u6837", "\u4e48") + pin])[0].similarity > 0.7
    assert find_leaks([card], [pin]) == []
    assert [copied.span for copied in find_copied(f"note: {card}{pin}!", [card + pin])] == [card + pin]


@pytest.mark.parametrize(
    ("card", "change", "other"),
    [
        ("\u0e09\u0e31\u0e19\u0e08\u0e30\u0e40\u0e1b\u0e25\u0e35\u0e48\u0e22\u0e19\u0e23\u0e2b\u0e31\u0e2a\u0e1a\u0e31\u0e15\u0e23\u0e44\u0e14\u0e49\u0e2d\u0e22\u0e48\u0e32\u0e07\u0e44\u0e23",
         ("\u0e09\u0e31\u0e19", "\u0e1c\u0e21"), "\u0e40\u0e27\u0e25\u0e32\u0e40\u0e1b\u0e34\u0e14\u0e17\u0e33\u0e01\u0e32\u0e23"),
        ("\u0e82\u0ec9\u0ead\u0e8d\u0e88\u0eb0\u0e9b\u0ec8\u0ebd\u0e99\u0ea5\u0eb0\u0eab\u0eb1\u0e94\u0e9a\u0eb1\u0e94\u0ec4\u0e94\u0ec9\u0ec1\u0e99\u0ea7\u0ec3\u0e94",
         ("\u0e82\u0ec9\u0ead\u0e8d", "\u0ec0\u0eae\u0ebb\u0eb2"), "\u0ec0\u0ea7\u0ea5\u0eb2\u0ec0\u0e9b\u0eb5\u0e94"),
        ("\u1781\u17d2\u1789\u17bb\u17c6\u1785\u1784\u17cb\u1794\u17d2\u178f\u17bc\u179a\u179b\u17c1\u1781\u179f\u1798\u17d2\u1784\u17b6\u178f\u17cb\u1780\u17b6\u178f\u179a\u1794\u179f\u17cb\u1781\u17d2\u1789\u17bb\u17c6",
         ("\u1785\u1784\u17cb", "\u1780\u17c6\u1796\u17bb\u1784"), "\u1798\u17c9\u17c4\u1784\u1794\u17be\u1780"),
        ("\u1000\u103b\u103d\u1014\u103a\u1010\u1031\u102c\u103a\u1000\u1010\u103a\u101c\u103b\u103e\u102d\u102f\u1037\u101d\u103e\u1000\u103a\u1014\u1036\u1015\u102b\u1010\u103a\u1015\u103c\u1031\u102c\u1004\u103a\u1038",
         ("\u1015\u103c\u1031\u102c\u1004\u103a\u1038", "\u101c\u1032"), "\u1016\u103d\u1004\u1037\u103a\u1001\u103b\u102d\u1014\u103a"),
    ],
    ids=["Thai", "Lao", "Khmer", "Burmese"],
)  # fmt: skip
def test_so_are_the_languages_of_southeast_asia(card: str, change: tuple[str, str], other: str) -> None:
    """A word of eight was changed: to one run of letters the whole row would be another one."""
    [leak] = find_leaks([other, card], [card.replace(*change, 1)], threshold=0.5)
    assert leak.train_index == 1 and 0.5 <= leak.similarity < 1
    assert find_leaks([card], [other]) == []
    assert [copied.span for copied in find_copied(f"note: {card}!", [card])] == [card]
    assert BM25([other, card])(card[: len(card) // 2], k=1)[0].text == card


def test_words_of_one_alphabet_stay_in_it() -> None:
    assert word_units("\u041c\u0438\u0440 \u041c\u0418\u0420 5 \u03bcm k\u03a9") == [
        "\u043c\u0438\u0440",
        "\u043c\u0438\u0440",
        "5",
        "\u03bcm",
        "k\u03c9",
    ]
    assert (
        find_leaks(["\u0422\u041e\u041c \u0438 \u0414\u043e\u043c"], ["\u0442\u043e\u043c \u0438 \u0434\u043e\u043c"])[0].similarity == 1.0
    )


def test_rows_that_are_all_half_alike_are_told_apart_without_comparing_each_with_each() -> None:
    rng = random.Random(0)
    names = [" ".join(f"w{rng.randrange(300)}" for _ in range(7)) for _ in range(4_000)]
    rows = [f"please give me the current price of one share of stock in {name}" for name in names]
    assert within(1_400, lambda: find_leaks(rows[:2_000], rows[2_000:]))


def test_an_equal_row_is_named_however_many_come_near() -> None:
    rows = [f"the same words stand in all of these {n % 7} rows" for n in range(3_000)] + ["the same words stand in all of these rows"]
    (leak,) = find_leaks(rows, ["The same words stand in all of these rows!"])
    assert (leak.train_index, leak.similarity) == (3_000, 1.0)


def test_a_prompt_that_is_no_text_is_named() -> None:
    with pytest.raises(InputError, match="`text` is None, a NoneType"):
        find_copied(None, ["a"])  # type: ignore[arg-type]
