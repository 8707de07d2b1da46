"""ROUGE and BLEU against values worked out by hand, by a plain dynamic programme, or by the reference implementation."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given, strategies as st

from effort import within
from whet.errors import ConfigurationError, InputError, MissingExtraError
from whet.evaluate.metrics.overlap import bleu, corpus_bleu, rouge_l, rouge_n

WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=12)


def plain_lcs(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if x == y else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


@given(WORDS, WORDS)
def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    assert rouge_l(" ".join(a), [" ".join(b)]) == pytest.approx(2 * plain_lcs(a, b) / (len(a) + len(b)))


def test_rouge_takes_the_best_reference_and_no_words_score_zero() -> None:
    assert rouge_l("The gunman was shot", ["x", "the gunman, shot"]) == pytest.approx(6 / 7)
    assert rouge_l("", ["a"]) == rouge_l("a", [""]) == rouge_n("...", ["..."]) == 0.0
    assert rouge_n("the cat sat", ["the cat ran"]) == pytest.approx(2 / 3)
    assert rouge_n("the cat sat", ["the cat ran"], 2) == 0.5


def test_rouge_l_of_long_texts_is_fast() -> None:
    text, other = " ".join(f"w{i % 977}" for i in range(20_000)), " ".join(f"w{i % 991}" for i in range(20_000))
    assert 0 < rouge_l(text, [other]) < 1
    assert within(900, lambda: rouge_l(text, [other]))


def test_bleu_by_hand() -> None:
    value = corpus_bleu(["the cat sat on the mat", "hello world"], [["the cat sat on a mat"], ["hello world"]])
    assert value == pytest.approx((7 / 8 * 4 / 6 * 2 / 4 * 1 / 3) ** 0.25)
    assert corpus_bleu(["a b c d"], [["a b c d e f g h"]]) == pytest.approx(math.exp(1 - 2))
    assert bleu("A b c d e", ["a b c d e", "A b c d e"]) == 1.0
    assert bleu("x", ["y"]) == bleu("", ["y"]) == 0.0
    assert 0 < bleu("the cat is here", ["the cat was here"]) < 1


# Text, reference, ROUGE-1, ROUGE-2, ROUGE-L as rouge-score 0.1.2 gives them (no stemming).
GROWTH = "US economy up 3.5 percent in the 2nd quarter - faster than expected"
REFERENCE_VALUES = [
    ("police killed the gunman", "police kill the gunman", 0.75, 1 / 3, 0.75),
    ("The gunman was shot", "the gunman, shot", 6 / 7, 0.4, 6 / 7),
    ("The U.S. economy grew 3.5% in Q2, faster than expected.", GROWTH, 0.64, 6 / 23, 0.56),
    ("snake_case is well-known", "snake case is wellknown", 2 / 3, 4 / 7, 2 / 3),
    ("a a a b", "a b a", 6 / 7, 0.4, 4 / 7),
    ("", "a", 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("text", "reference", "one", "two", "longest"), REFERENCE_VALUES)
def test_rouge_gives_the_figures_of_the_reference_implementation(text: str, reference: str, one: float, two: float, longest: float) -> None:
    found = rouge_n(text, [reference]), rouge_n(text, [reference], 2), rouge_l(text, [reference])
    assert found == pytest.approx((one, two, longest))


def test_rouge_reads_words_of_every_script() -> None:
    assert rouge_l("na\u00efve caf\u00e9", ["le caf\u00e9"]) == 0.5  # the reference implementation sees `na`, `ve` and `caf`


def test_corpus_bleu_takes_rows_with_unlike_numbers_of_references() -> None:
    value = corpus_bleu(["a b c d e", "x y z w"], [["a b c d e", "q"], ("x y z w v",)])
    assert value == pytest.approx(math.exp(1 - 10 / 9))
    assert corpus_bleu(["x y z w v"], [["a b c d e", "x y z w v"]]) == 1.0


def test_bleu_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    for call in (lambda: bleu("a", ["a"]), lambda: corpus_bleu(["a"], [["a"]])):
        with pytest.raises(MissingExtraError, match=r"pip install 'whet\[metrics\]'"):
            call()


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="prediction in place 1 has no reference"):
        corpus_bleu(["a", "b"], [["a"], []])
    with pytest.raises(InputError, match="give a list of texts"):
        rouge_l("a", "a")
    with pytest.raises(InputError, match="2 predictions and 1 lists"):
        corpus_bleu(["a", "b"], [["a"]])
    with pytest.raises(ConfigurationError, match="`n` is 0"):
        rouge_n("a", ["a"], 0)
