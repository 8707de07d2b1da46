"""What means the same is equal, what does not is not, and hostile input costs next to nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest

from effort import within
from whet.core.mathematics.equality import final_answer, math_equal, numeric_equal, read_number
from whet.core.mathematics.formula import FormulaError, parse

SAME = [
    (r"\sin(x)^2 + \cos^2 x", "1"),
    (r"\log_2 8", "3"),
    (r"\log_{10} 1000", "3"),
    (r"x - x + 2", "2"),
    (r"x \in [0, 1)", "[0,1)"),
    (r"x \le 3", r"x \leq 3"),
    (r"12_{8}", "12_8"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    ("3/4", r"\frac{3}{4}"),
    (r"\frac34", "0.75"),
    (r"\dfrac{1}{2}", ".5"),
    ("1,234", "1234"),
    (r"1{,}234.5", "1234.5"),
    ("50%", "0.5"),
    (r"50\%", "50"),
    ("$12", "12"),
    (r"\$12.50", "12.5"),
    ("3 1/2", "7/2"),
    (r"3\frac{1}{2}", "3.5"),
    ("5 cm", "5"),
    (r"5\text{ cm}^2", "5"),
    ("5 cm^2", "5"),
    ("12 m", "12"),
    ("12 apples", "12"),
    ("x=5", "5"),
    ("x = 2y", "2y"),
    ("2x+1", "1 + 2x"),
    ("(x+1)^2", "x^2+2x+1"),
    ("xy", r"y \cdot x"),
    (r"\sqrt{2}", "2^{1/2}"),
    (r"\sqrt[3]{27}", "3"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    (r"\pi/4", r"\frac{\pi}{4}"),
    ("\u03c0", "pi"),
    (r"\left( 1, 2 \right)", "(1,2)"),
    ("[1, 2)", r"\left[1,2\right)"),
    (r"(-\infty, 3]", "(-inf,3]"),
    ("1, 2", "2, 1"),
    (r"\{1,2,3\}", r"\{3,2,1\}"),
    ("(1, (2, 3))", "(1,(2,3))"),
    ("90^\\circ", "90"),
    ("90\u00b0", "90"),
    (r"\boxed{7}", "7"),
    ("$7$", "7."),
    ("\u00bd", "1/2"),
    ("2\u00bd", "2.5"),
    ("\u22123", "-3"),
    ("2\u00d73", "6"),
    ("10^3", "1000"),
    ("1.5e3", "1500"),
    (r"1.5 \times 10^3", "1500"),
    ("5!", "120"),
    (r"\binom{5}{2}", "10"),
    ("|-3|", "3"),
    ("2**3", "8"),
    (r"\text{Monday}", "monday"),
    (r"\text{(B)}", "(B)"),
    ("0.3333333", "1/3"),
    (r"\frac{1}{3}", "1/3"),
    ("3+2i", "2i + 3"),
    (r"\sin(\pi/6)", "0.5"),
    ("-x^2", "-(x^2)"),
    ("2^{-2}", "1/4"),
    ("--5", "5"),
    (r"\frac{a}{b}", "a/b"),
    ("5 m/s", r"5 \text{ km/h}"),
    ("1 or 2", "2, 1"),
    (r"1 \text{ and } 2", "1,2"),
]
DIFFERENT = [
    (r"\sin(x)^2", r"\sin(x^2)"),
    ("x", "y"),
    ("x", "0.37"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\3\end{pmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}12\end{pmatrix}"),
    ("3/4", "4/3"),
    ("1", "2"),
    ("-3", "3"),
    ("(1,2)", "(2,1)"),
    ("[1,2]", "(1,2)"),
    ("[1,2)", "[1,2]"),
    ("x", "y"),
    ("2x", "2"),
    ("x^2", "2x"),
    ("1,2", "1,3"),
    ("(1,2)", "(1,2,3)"),
    ("1, 2", "12"),
    ("", "0"),
    ("yes", "no"),
    ("", ""),
    ("1/0", "2/0"),
    ("0.33", "1/3"),
    (r"\{1,1\}", r"\{1,2\}"),
    ("3 + ", "3"),
    ("50%", "5"),
    (r"\sqrt{-1}", "1"),
    ("monday", "tuesday"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_means_the_same_is_equal(a: str, b: str) -> None:
    assert math_equal(a, b)
    assert math_equal(b, a)


@pytest.mark.parametrize(("a", "b"), DIFFERENT[:-1])
def test_what_does_not_is_not(a: str, b: str) -> None:
    assert math_equal(a, b) is (a == b)
    assert math_equal(b, a) is (a == b)


@pytest.mark.parametrize(
    "bomb",
    [
        "9" * 900,
        "9^9^9^9^9",
        "2^(10^9)",
        "(" * 500 + "1" + ")" * 500,
        "1+" * 400 + "1",
        "500!!!!",
        "(" * 1999,
        "{" * 100_000,
        "\\frac" * 300,
        "^" * 900,
        "|" * 900,
        "1e99" * 200,
        "\\text{" * 300,
        "x" * 900,
        "9" * 1_000_000,
        "\\sqrt" * 150 + "2",
        "-" * 900 + "1",
        "1/" * 400 + "0",
        "(9^999)^999",
        "1/(9^500)^20*3^900",
        "__import__('os').system('true')",
        " " * 1990 + "-",
        "," * 900,
    ],
)
def test_hostile_input_costs_next_to_nothing(bomb: str) -> None:
    def work() -> None:
        math_equal(bomb, "1")
        math_equal(bomb, bomb + " ")
        numeric_equal(bomb, 1)
        final_answer(bomb)

    assert within(180, work)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.5", Fraction(2469, 2)),
        ("-3", Fraction(-3)),
        ("$-3", Fraction(-3)),
        ("-$3", Fraction(-3)),
        ("2/3", Fraction(2, 3)),
        ("1/0", None),
        ("12 %", Fraction(3, 25)),
        ("12 percent", Fraction(3, 25)),
        ("1e3", Fraction(1000)),
        ("no number", None),
        ("3 1/2 cups", Fraction(7, 2)),
        ("-3 1/2", Fraction(-7, 2)),
        ("room 12 7/2", Fraction(7, 2)),
        ("1\u00bd", Fraction(3, 2)),
        ("\u00be", Fraction(3, 4)),
        (10**400, Fraction(10**400)),
        (float("inf"), None),
        ("", None),
        ("3-5", Fraction(5)),
        ("from 2 to 7 apples.", Fraction(7)),
        (True, None),
        (float("nan"), None),
        (0.5, Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("1,23", Fraction(23)),
        ("10 - 4", Fraction(4)),
        ("x = -4", Fraction(-4)),
        ("2^10", Fraction(1024)),
        ("2**{-1}", Fraction(1, 2)),
        ("0^-1", None),
        ("9" * 1500 + "^999", None),
        ("1.5 x 10^6 m", Fraction(1_500_000)),
        (r"6\times10^{-2}", Fraction(6, 100)),
        ("1 000 000.5 kg", Fraction(2_000_001, 2)),
        ("1\u2009000", Fraction(1000)),
        ("5 100", Fraction(100)),
        ("1,5", Fraction(5)),
    ],
)
def test_numbers_are_read_out_of_text(text: object, number: Fraction | None) -> None:
    assert read_number(text) == number


def test_numbers_compare_within_a_tolerance() -> None:
    assert numeric_equal("0.3333", "1/3", rel_tol=1e-3)
    assert not numeric_equal("0.3333", "1/3")
    assert not numeric_equal("no", "number")
    assert not numeric_equal("50%", "5000%")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{\frac{1}{2}} and then \boxed{x^{2}}.", "x^{2}"),
        ("48/2 = 24\n#### 72", "72"),
        ("The answer is 5.\nBye", "5"),
        ("just 5.", "just 5"),
        (r"\boxed{1", "1"),
        ("The final answer is: 12", "12"),
        ("Answer: 3", "3"),
    ],
)
def test_the_final_answer_is_found(text: str, answer: str) -> None:
    assert final_answer(text) == answer


def test_a_formula_says_why_it_cannot_be_read() -> None:
    with pytest.raises(FormulaError, match="does not belong"):
        parse("3 4")
    with pytest.raises(FormulaError, match="longer than 1000"):
        parse("1" * 1001)
    with pytest.raises(FormulaError):
        parse("1/0").value({})


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("42", "The answer is **42**."),
        ("42", "**Answer:** 42"),
        ("42", r"The answer is \(42\)."),
        ("42", r"\[42\]"),
        ("42", "`42`"),
        ("42", "*42*"),
        ("11,\\!111", "11111"),
        ("11,\\! 111", "11,111"),
        (r"\{1,2\}", "{2, 1}"),
        ("yes", "Yes."),
        ("x^4", "x\u2074"),
        ("10^{23}", "10\u00b2\u00b3"),
        ("10^{-3}", "10\u207b\u00b3"),
    ],
)
def test_answers_as_chats_and_pages_write_them(gold: str, said: str) -> None:
    assert math_equal(final_answer(gold), final_answer(said))


def test_marks_around_an_answer_hide_no_other_answer() -> None:
    for one, other in (("**42**", "43"), ("[0,1)", "[0,1]"), ("{1, 2}", "{1, 3}"), ("xy", "xz"), ("2**3", "6"), ("A", "a")):
        assert not math_equal(one, other)
    for hostile in ("`" * 100_000, "*" * 100_000, "\\(" * 50_000, "\u00b2" * 100_000):
        assert not math_equal(final_answer(hostile), "1")


@pytest.mark.parametrize(
    ("text", "number"),
    [("25 cm^2", 25), ("9.8 m/s^{2}", 9.8), ("10\u00b2", 100), ("6 \u00d7 10\u00b2\u00b3", 6e23), ("5 m\u00b2", 5), ("x^2 = 4", 4)],
)
def test_the_power_of_a_unit_is_no_number(text: str, number: float) -> None:
    assert numeric_equal(text, number)


# Answers as they stand in rows of MATH, and ways in which models write them.
@pytest.mark.parametrize(
    ("answer", "same", "other"),
    [
        (r"\dfrac{9}{7}", ["9/7", r"\frac97", "1.2857142857142858", "x = 9/7"], ["7/9", "1.28"]),
        (r"x \in [-2,7]", ["[-2, 7]", r"-2 \le x \le 7", r"7 \geq x \geq -2"], ["(-2,7)", "-2 < x < 7", "[-2,8]"]),
        (r"[0,\infty)", [r"x \ge 0", "0 <= x", r"[0, \infty)"], [r"(0,\infty)", "x > 0", r"x \le 0", "0"]),
        (r"(-\infty,3)", ["x<3", "3 > t", r"x \lt 3"], ["x>3", "x<4", r"x \leq 3"]),
        (r"\frac{x+2}{7}", [r"h^{-1}(x) = \frac{x+2}{7}", "f(x)=(2+x)/7", "y = (x+2)/7"], ["h(x) = (x-2)/7", "h(x)"]),
        ("4,6,14,15", ["4, 6, 14, 15"], ["4,6,14"]),
        (r"\$40", ["40", "$40", "40 dollars"], ["4"]),
        (".5", ["1/2", r"\frac{1}{2}"], ["5"]),
        ("x < y", ["x<y"], ["x > y"]),
    ],
)
def test_answers_of_math_as_models_write_them(answer: str, same: list[str], other: list[str]) -> None:
    assert [text for text in same if not math_equal(answer, text)] == []
    assert [text for text in other if math_equal(answer, text)] == []


def test_a_box_without_braces() -> None:
    assert final_answer(r"so the number is $x = \boxed 12$.") == "12"
    assert final_answer(r"$\boxed 1$, or rather $\boxed \frac12$") == r"\frac12"
    assert math_equal(r"\boxed 12.", "12") and final_answer(r"\boxed") == r"\boxed"


FUNCTIONS = [
    ("ln(e)", "1"), (r"\ln e^2", "2"), (r"e^{\ln 3}", "3"), ("exp(1)", "e"), (r"\mathrm{e}", "2.718281828"), ("2e", "e*2"), ("lnx", "ln x"),
    ("log(100)", "2"), (r"\log e", "1"), (r"\lg 1000", "3"), ("log2(8)", "3"), ("log10(100)", "2"), ("log\u2082 8", "3"),
    ("log_3 x", "ln x / ln 3"), (r"\frac{\log 8}{\log 2}", "3"), ("ln 2 + ln 3", "ln 6"), ("ln(1/2)", "-ln 2"),
    ("sin(30\u00b0)", "1/2"), (r"\sin 30^\circ", r"\frac12"), (r"\cos 60^{\circ}", "0.5"), (r"\tan 45\degree", "1"), ("csc(30\u00b0)", "2"),
    (r"\sin\frac{\pi}{4}", r"\frac{\sqrt2}{2}"), (r"\sec(\pi/3)", "2"), ("sec(0)", "1"), (r"\cot\frac{\pi}{4}", "1"),
    (r"\arctan 1", r"\frac{\pi}{4}"), (r"\sin^{-1}(1/2)", r"\pi/6"), (r"\sin^2 x + \cos^2 x", "1"), ("arccos(0)", "pi/2"),
    ("cbrt(27)", "3"), (r"\sqrt[3]{-8}", "-2"), ("sinh(0)", "0"), ("30\u00b0", "30"), ("5 sec", "5"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), FUNCTIONS)
def test_functions_and_the_numbers_that_they_are_known_for(a: str, b: str) -> None:
    assert math_equal(a, b) and math_equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [("ln(e)", "2"), ("log 100", "3"), ("e", "2.7"), ("e", "x"), ("e", "E"), ("sin(30)", "1/2"), (r"\cos 60^\circ", r"\cos 60"),
     (r"\sin^{-1}(1/2)", "2.0858"), ("ln 2", "log_2 2"), ("e^x", "2^x"), (r"\tan 90^\circ", "1"), ("ln(0)", "0")],
)  # fmt: skip
def test_functions_of_something_else(a: str, b: str) -> None:
    assert not math_equal(a, b) and not math_equal(b, a)
