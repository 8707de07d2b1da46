"""Signatures: four front doors, one kind of value."""

from __future__ import annotations

import enum
import keyword
from dataclasses import dataclass
from typing import Any, Literal

import pytest

import whet
from whet.errors import SignatureError


class Colour(enum.Enum):
    RED = "red"


def test_the_four_doors_make_the_same_value() -> None:
    class QA(whet.Signature):
        """Answer it."""

        question: str = whet.InputField()
        answer: float = whet.OutputField()

    def qa(question: str) -> float:  # type: ignore[empty-body]
        """Answer it."""

    from_string = whet.Signature("question: str -> answer: float", "Answer it.")
    from_dict = whet.Signature({"question": whet.InputField(), "answer": (float, whet.OutputField())}, "Answer it.")
    assert QA == from_string.with_updated_fields("question", typed=True) == from_dict
    assert hash(QA) == hash(from_dict)
    from_function = whet.Signature(qa)
    assert from_function == whet.signature_of_function(qa) == whet.ensure_signature(qa)
    assert list(from_function.fields) == ["question", "result"]
    assert from_function.output_fields["result"].annotation is float
    assert from_function.instructions == "Answer it."


def test_a_dataclass_result_gives_one_output_per_field() -> None:
    @dataclass
    class Person:
        name: str
        age: int

    def read(text: str) -> Person:  # type: ignore[empty-body]
        """Read it."""

    read.__annotations__ = {"text": str, "return": Person}
    assert list(whet.signature_of_function(read).output_fields) == ["name", "age"]


def test_every_edit_makes_a_new_value() -> None:
    one = whet.Signature("a, b -> c")
    two = one.with_instructions("Do.").append("d", whet.OutputField(), int).prepend("z", whet.InputField()).delete("b")
    assert one.signature == "a, b -> c"
    assert two.signature == "z, a -> c, d"
    assert two.output_fields["d"].annotation is int
    assert one.insert(-2, "x", whet.InputField()).signature == "a, x, b -> c"
    with pytest.raises(ValueError, match="place 9"):
        one.insert(9, "x", whet.InputField())
    with pytest.raises(SignatureError, match="cannot be changed"):
        one.instructions = "x"


def test_subclassing_a_value_adds_fields_and_inherits_instructions() -> None:
    class A(whet.Signature):
        """Base task."""

        question: str = whet.InputField()
        answer: str = whet.OutputField()

    class B(A):
        score: float = whet.OutputField(ge=0, le=1)

    assert B.signature == "question -> answer, score"
    assert B.instructions == "Base task."
    assert issubclass(B, whet.Signature)
    assert isinstance(B, whet.Signature)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("question", "exactly one `->`"),
        ("", "exactly one `->`"),
        ("a -> b -> c", "exactly one `->`"),
        ("a -> a", "distinct names"),
        ("a -> b: Nonsense", "Unknown name: Nonsense"),
        ("a b -> c", "no field name"),
        ("a ->", "names no output"),
        ("a -> b: __import__('os')", "no type"),
        ("a -> b: list[", "no Python type"),
    ],
)
def test_mistakes_in_strings_are_caught_at_once(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        whet.Signature(text)


def test_an_arrow_inside_of_quotes_is_none() -> None:
    assert whet.Signature("a -> b: Literal['x', 'y, -> z']").fields["b"].annotation == Literal["x", "y, -> z"]


def test_types_in_strings() -> None:
    signature = whet.Signature("x: list[str], c: Colour -> y: Literal['a', \"it's\", 3], z: dict[str, list[int]] | None, w: Optional[int]")
    fields = signature.fields
    assert fields["x"].annotation == list[str]
    assert fields["c"].annotation is Colour
    assert fields["y"].annotation == Literal["a", "it's", 3]
    assert fields["z"].annotation == dict[str, list[int]] | None
    assert fields["w"].annotation == int | None
    assert whet.Signature("a -> b: Thing", custom_types={"Thing": int}).output_fields["b"].annotation is int


def test_names_are_looked_up_in_the_immediate_caller_only() -> None:
    def outer() -> None:
        class Hidden:
            pass

        inner()

    def inner() -> None:
        whet.Signature("a -> b: Hidden")

    with pytest.raises(ValueError, match="Unknown name: Hidden"):
        outer()


def test_a_bare_annotation_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="must be an InputField or OutputField"):

        class Bad(whet.Signature):
            question: str


def test_unknown_field_options_are_mistakes() -> None:
    with pytest.raises(SignatureError, match="no option `dsec`"):
        whet.InputField(dsec="typo")


NAMES = sorted(
    {*dir(whet.Signature), *dir(whet.Prediction), *dir(whet.Predict), "demos", "config", "lm", "items", "instructions", "signature", "self"}
)
LEGAL = [name for name in NAMES if not name.startswith("__") and not keyword.iskeyword(name)]


def test_any_identifier_is_a_field_name() -> None:
    assert len(LEGAL) > 60
    for name in LEGAL:
        signature = whet.Signature(f"{name} -> other_{name}")
        predict = whet.Predict(signature)
        with whet.context(lm=whet.testing.ScriptedLM([{f"other_{name}": "fine"}])):
            prediction = predict(**{name: "value"})
        assert prediction[f"other_{name}"] == "fine"
        assert f"[[ ## {name} ## ]]\nvalue" in predict.render(**{name: "value"})[-1]["content"]


def test_infer_prefix() -> None:
    for name, title in {
        "someAttributeName42IsCool": "Some Attribute Name 42 Is Cool",
        "isHTTPSecure": "Is HTTP Secure",
        "URLAddress": "URL Address",
        "version2Update": "Version 2 Update",
        "isHTTPSSecure123": "Is HTTPS Secure 123",
        "search_query": "Search Query",
    }.items():
        assert whet.infer_prefix(name) == title


def test_state_roundtrip() -> None:
    signature = whet.Signature("a -> b").with_updated_fields("b", desc="the b")
    state = signature.with_instructions("New.").dump_state()
    assert whet.Signature("a -> b").load_state(state).instructions == "New."
    assert whet.Signature("a -> b").load_state(state).fields["b"].desc == "the b"


@pytest.mark.parametrize(
    ("annotation", "options", "said"),
    [
        (int, {"ge": 5, "le": 1}, "No value meets both `ge=5` and `le=1`.*field is `b`"),
        (float, {"gt": 1, "lt": 1}, "No value meets both"),
        (str, {"min_length": 3, "max_length": 2}, "No value meets both"),
        (str, {"min_length": "x"}, "number of characters or items, 0 or more; got 'x'"),
        (list[int], {"max_length": -1}, "0 or more; got -1"),
        (int, {"ge": "3"}, "`ge` of int is a number; got '3'"),
        (int, {"min_length": 2}, "does not fit the type int"),
        (str, {"ge": 2}, "`ge` does not fit the type str, for which there are: min_length"),
        (int, {"ge": 3, "default": 1}, "default of the field `b` is against its constraints: 1 does not fit"),
    ],
)
def test_constraints_that_nothing_can_meet_are_refused_at_once(annotation: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SignatureError, match=said):
        whet.Signature({"a": (str, whet.InputField()), "b": (annotation, whet.OutputField(**options))})


def test_constraints_that_something_can_meet_stay() -> None:
    whet.Signature({"a": (str, whet.InputField()), "b": (str, whet.OutputField(ge="a", lt="n"))})
    whet.Signature({"a": (str, whet.InputField()), "b": (int | None, whet.OutputField(ge=1, le=1, default=None))})


class Scored(whet.Signature):
    """Write it."""

    text: str = whet.InputField()
    summary: str = whet.OutputField()

    @staticmethod
    def score(length: int) -> int:
        return 100 - length

    @classmethod
    def task(cls) -> str:
        return cls.instructions

    def longer(self, than: int) -> bool:
        return len(self.summary) > than

    @property
    def shout(self) -> str:
        return self.summary.upper()


def test_functions_of_a_class_statement_are_kept() -> None:
    class Further(Scored):
        title: str = whet.OutputField()

    assert (Scored.score(1), Scored.task(), Further.score(2)) == (99, "Write it.", 98)
    assert Scored.append("more", whet.OutputField()).score(3) == 97 and Scored.with_instructions("New.").task() == "New."
    assert Scored == whet.Signature("text -> summary", "Write it.") and list(Scored.fields) == ["text", "summary"]
    filled: Any = Scored(text="t", summary="abc")
    assert filled.longer(2) and not Scored.longer(filled, 3) and filled.shout == "ABC"
    assert not hasattr(Scored, "other") and not hasattr(filled, "other")
