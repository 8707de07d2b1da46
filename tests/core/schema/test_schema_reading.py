"""What models write, read as typed values: repaired where it has one meaning, refused where it has none or several."""

# ruff: noqa: UP007, UP045 - both spellings of a union are under test

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, Union, get_args
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, RootModel, field_validator, model_validator
from typing_extensions import TypedDict

from whet.core.schema import read_json, read_object, schema_of
from whet.errors import SchemaError


class Color(enum.Enum):
    RED = "red"
    DARK_GREEN = "dark green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Swapped(enum.Enum):
    A = "B"
    B = "A"


class Address(BaseModel):
    street: str
    zip_code: int = Field(alias="zipCode", ge=0)


class Person(BaseModel):
    first_name: str
    age: int
    address: Address | None = None
    tags: list[str] = []


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

    def __post_init__(self) -> None:
        if self.x > 99:
            raise ValueError("x is too far out")


class Pair(NamedTuple):
    left: str
    right: int = 1


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Percent(BaseModel):
    share: float

    @field_validator("share", mode="before")
    @classmethod
    def _percent(cls, value: Any) -> Any:
        return float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else value


class Snippet(BaseModel):
    code: str

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"code": value} if isinstance(value, str) else value


class Tags(RootModel[list[str]]):
    pass


CLEAN = [
    (int, "42", 42),
    (int, " -7\n", -7),
    (float, "5", 5.0),
    (float, "-1.5e-3", -0.0015),
    (float, "inf", math.inf),
    (bool, "true", True),
    (bool, "False", False),
    (None, "null", None),
    (Color, "red", Color.RED),
    (Color, '"red"', Color.RED),
    (Level, "2", Level.HIGH),
    (Swapped, "A", Swapped.B),
    (Literal["a", 1], "1", 1),
    (Literal["1", "2"], "1", "1"),
    (Optional[int], "null", None),
    (Optional[str], "None", None),
    (Optional[str], "null", None),
    (Optional[str], "[prefix] some {text}", "[prefix] some {text}"),
    (Optional[str], "  kept  ", "  kept  "),
    (Optional[str], "", ""),
    (Union[int, str], "5", 5),
    (Union[int, str], "five", "five"),
    (Union[int, float], "5.0", 5.0),
    (dt.date, "2024-05-31", dt.date(2024, 5, 31)),
    (dt.datetime, "2024-05-31T18:30:00Z", dt.datetime(2024, 5, 31, 18, 30, tzinfo=dt.UTC)),
    (dt.time, "18:30", dt.time(18, 30)),
    (dt.timedelta, "P1DT2H30M", dt.timedelta(days=1, hours=2, minutes=30)),
    (Decimal, "12.50", Decimal("12.50")),
    (bytes, "AAH/", b"\x00\x01\xff"),
    (UUID, "123e4567-e89b-12d3-a456-426614174000", UUID("123e4567-e89b-12d3-a456-426614174000")),
    (list[int], "[1, 2]", [1, 2]),
    (dict[int, bool], '{"1": true}', {1: True}),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (Person, '{"first_name": "Ann", "age": 3}', Person(first_name="Ann", age=3)),
    (Point, '{"x": 1}', Point(1)),
    (Pair, '{"left": "a", "right": 2}', Pair("a", 2)),
    (Pair, '["a", 2]', Pair("a", 2)),
    (Movie, '{"title": "Up"}', {"title": "Up"}),
    (Open, '{"a": 1, "b": [2]}', Open(a=1, b=[2])),
    (Tags, '["a"]', Tags(["a"])),
    (Any, '{"a": [1, null]}', {"a": [1, None]}),
    (Any, "just text", "just text"),
]

REPAIRED = [
    (int, "1,000", 1000),
    (int, "1_000", 1000),
    (int, "5.0", 5),
    (int, "**42**", 42),
    (int, "'42'", 42),
    (float, "1,234.5", 1234.5),
    (float, "```\n0.5\n```", 0.5),
    (bool, "Yes.", True),
    (bool, '"no"', False),
    (bool, "1", True),
    (Color, "RED", Color.RED),
    (Color, "Color.RED", Color.RED),
    (Color, "Dark_Green", Color.DARK_GREEN),
    (Level, "HIGH", Level.HIGH),
    (Literal["not_spam", "spam"], "Not spam.", "not_spam"),
    (Literal["a", "b"], "Literal['a']", "a"),
    (Literal["a", "b"], "str['a']", "a"),
    (Literal["C", "C++"], "c++", "C++"),
    (Optional[int], "N/A", None),
    (Optional[int], "", None),
    (Optional[float], "1,000", 1000.0),
    (dt.date, "2024-05-31T00:00:00", dt.date(2024, 5, 31)),
    (dt.datetime, "2024-05-31", dt.datetime(2024, 5, 31)),
    (dt.timedelta, "-1 day, 23:59:59", dt.timedelta(seconds=-1)),
    (Decimal, "1,000.50", Decimal("1000.50")),
    (bytes, "AAH_", b"\x00\x01\xff"),
    (UUID, "{123E4567-E89B-12D3-A456-426614174000}", UUID("123e4567-e89b-12d3-a456-426614174000")),
    (list[int], "```json\n[1, 2]\n```", [1, 2]),
    (list[int], "[1, 2,]", [1, 2]),
    (list[int], "[1, 2 // two\n]", [1, 2]),
    (list[int], "Sure! Here it is: [1, 2]. Anything else?", [1, 2]),
    (list[int], "[1, 2", [1, 2]),
    (list[int], "5", [5]),
    (list[int], '["1", "2"]', [1, 2]),
    (list[int], '"[1, 2]"', [1, 2]),
    (list[int], '{"numbers": [1, 2]}', [1, 2]),
    (list[str], "Paris", ["Paris"]),
    (list[str], "- Paris, France\n- Rome", ["Paris, France", "Rome"]),
    (list[str], "['a', \"b\", c d]", ["a", "b", "c d"]),
    (list[Color], "[red, 'DARK_GREEN']", [Color.RED, Color.DARK_GREEN]),
    (set[int], "{1, 2}", {1, 2}),
    (tuple[int, str], "(1, 'a')", (1, "a")),
    (dict[str, bool], "{'a': True, b: False,}", {"a": True, "b": False}),
    (dict[str, str], '{"a": "line\nbreak", "b": "back\\slash"}', {"a": "line\nbreak", "b": "back\\slash"}),
    (dict[str, str], '{"a": "he said "hi" to me"}', {"a": 'he said "hi" to me'}),
    (dict[str, int], '{"a": 1 "b": 2}', {"a": 1, "b": 2}),
    (dict[str, str], '{"a": "never closed}', {"a": "never closed"}),
    (Person, "{'firstName': 'Ann', 'AGE': '3', 'extra': 1}", Person(first_name="Ann", age=3)),
    (Person, '{"first_name": "Ann", "age": 3, "address": {"street": "s", "zipCode": 5.0}}', None),
    (Person, '{"first_name": ["Ann"], "age": [3]}', Person(first_name="Ann", age=3)),
    (Person, 'So {"first_name": "Ann", "age": 3} it is', Person(first_name="Ann", age=3)),
    (Person, '{"first_name": "Ann", "age": 3, "tags": ["a"', Person(first_name="Ann", age=3, tags=["a"])),
    (Person, '{"first_name": 5, "age": 3}', Person(first_name="5", age=3)),
    (Person, '{"first_name": "Ann", "age": 3, "tags": "solo"}', Person(first_name="Ann", age=3, tags=["solo"])),
    (Closed, '{"a": 1, "b": 2}', Closed(a=1)),
    (Point, "{x: 1}", Point(1)),
    (Union[Person, list[int], str], "```json\n[1]\n```", [1]),
    (Any, "```json\n[1]\n```", [1]),
]

REFUSED = [
    (int, "85%"),
    (int, "5.5"),
    (int, "1,5"),
    (int, "1,00"),
    (int, "about 5"),
    (int, ""),
    (float, "85%"),
    (float, "1,5"),
    (float, "1e999"),
    (bool, "maybe"),
    (bool, "2"),
    (Color, "green"),
    (Literal["C", "C++"], "C."[:0]),
    (Literal["A-", "B"], "A"),
    (Literal["-1", "0"], "1"),
    (Literal["a b", "a-b"], "A_B"),
    (Optional[int], "yes"),
    (Union[int, bool], "perhaps"),
    (dt.date, "05/06/2024"),
    (dt.date, "2024-05-31T10:00:00"),
    (dt.datetime, "1700000000"),
    (dt.timedelta, "90"),
    (list[int], "1, 2"),
    (list[int], "[1,000]"),
    (list[int], "[1, ..., 9]"),
    (list[int], "first [1], then [2]"),
    (list[str], "Paris, France"),
    (list[str], ""),
    (list[str], "null"),
    (dict[str, int], '{"a": 85%}'),
    (dict[str, int], '{"a": }'),
    (dict[str, str], '{"a": "b" "c"}'),
    (dict[str, str], "{'a': '}"),
    (tuple[int, int], "[1]"),
    (Person, '{"first_name": "Ann"}'),
    (Person, '{"first_name": "Ann", "age": 3, "address": {"street": "s", "zipCode": -1}}'),
    (Person, "Ann is three"),
    (Point, '{"x": 100}'),
    (Person, 'either {"first_name": "Ann", "age": 3} or {"first_name": "Bob", "age": 4}'),
]


@pytest.mark.parametrize(("annotation", "text", "value"), CLEAN, ids=str)
def test_clean_text_needs_no_repair(annotation: Any, text: str, value: Any) -> None:
    repairs: list[str] = []
    found = schema_of(annotation).parse(text, repairs)
    assert (found, type(found), repairs) == (value, type(value), [])


@pytest.mark.parametrize(("annotation", "text", "value"), REPAIRED, ids=str)
def test_damage_with_one_meaning_is_repaired_and_said(annotation: Any, text: str, value: Any) -> None:
    repairs: list[str] = []
    found = schema_of(annotation).parse(text, repairs)
    assert repairs
    assert all(isinstance(repair, str) and repair for repair in repairs)
    if value is not None or found is None:
        assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("annotation", "text"), REFUSED, ids=str)
def test_what_has_no_single_meaning_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises(SchemaError) as caught:
        schema_of(annotation).parse(text, [])
    assert caught.value.expected
    assert str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [(annotation, text) for annotation, text, _ in REPAIRED if annotation is not Any and str not in get_args(annotation)],
)
def test_strict_coercion_repairs_nothing(annotation: Any, text: str) -> None:
    with pytest.raises(SchemaError):
        schema_of(annotation).coerce(text, strict=True)


def test_an_error_names_the_path_the_value_and_what_would_fit() -> None:
    with pytest.raises(SchemaError) as caught:
        schema_of(list[Person]).parse('[{"first_name": "Ann", "age": "old"}]')
    error = caught.value
    assert (error.path, error.value) == ("[0].age", "old")
    assert "`[0].age`" in str(error)
    assert "'old'" in str(error)
    assert "whole number" in error.expected


def test_an_error_lists_members_and_the_closest_one() -> None:
    with pytest.raises(SchemaError, match=r"one of 'alpha', 'beta', 'gamma'.*Did you mean 'gamma'\?"):
        schema_of(Literal["alpha", "beta", "gamma"]).parse("gama")
    with pytest.raises(SchemaError, match=r"'m7' and 12 more"):
        schema_of(Literal[tuple(f"m{index}" for index in range(20))]).parse("x")  # type: ignore[misc]


def test_a_missing_key_is_named_with_the_keys_that_are_there() -> None:
    with pytest.raises(SchemaError, match=r"`age`: nothing is there.*'first_name', 'years'") as caught:
        schema_of(Person).parse('{"first_name": "Ann", "years": 3}')
    assert caught.value.path == "age"


def test_a_missing_value_that_may_be_null_is_null() -> None:
    class Note(BaseModel):
        text: str
        author: str | None

    repairs: list[str] = []
    assert schema_of(Note).parse('{"text": "x"}', repairs) == Note(text="x", author=None)
    assert repairs == ["`author`: took null for a missing value"]


def test_json_values_are_coerced_by_the_same_rules() -> None:
    repairs: list[str] = []
    assert schema_of(int).coerce(5.0, repairs) == 5
    assert schema_of(str).coerce(94110, repairs) == "94110"
    assert schema_of(str).coerce({"a": [1]}, repairs) == '{"a": [1]}'
    assert schema_of(bool).coerce("yes", repairs) is True
    assert schema_of(Optional[str]).coerce("null", repairs) == "null"
    assert schema_of(Literal["1"]).coerce(1, repairs) == "1"
    assert len(repairs) == 5
    for annotation, value in [
        (int, True),
        (int, 5.5),
        (int, 1e300),
        (str, None),
        (bool, 2),
        (float, True),
        (float, 10**400),
        (list[int], None),
    ]:
        with pytest.raises(SchemaError):
            schema_of(annotation).coerce(value)


def test_typed_python_values_pass_unchanged() -> None:
    person = Person(first_name="Ann", age=3)
    assert schema_of(Person).coerce(person, strict=True) is person
    assert schema_of(list[dt.date]).coerce([dt.date(2024, 1, 1)], strict=True) == [dt.date(2024, 1, 1)]
    assert schema_of(Color).coerce(Color.RED, strict=True) is Color.RED
    assert schema_of(set[int]).coerce({1, 2}, strict=True) == {1, 2}


@pytest.mark.parametrize(
    ("annotation", "constraints", "good", "bad"),
    [
        (int, {"ge": 5, "lt": 10}, "5", "10"),
        (float, {"gt": 0, "allow_inf_nan": False}, "0.1", "inf"),
        (str, {"min_length": 2, "max_length": 3}, "ab", "abcd"),
        (str, {"pattern": "^a+$"}, "aaa", "ab"),
        (int, {"multiple_of": 3}, "9", "10"),
        (float, {"multiple_of": 0.1}, "0.3", "0.35"),
        (list[int], {"min_length": 2}, "[1, 2]", "[1]"),
        (Optional[int], {"ge": 5}, "null", "4"),
        (Annotated[int, Field(ge=5)], None, "5", "4"),
        (list[Annotated[str, Field(max_length=1)]], None, '["a"]', '["ab"]'),
    ],
    ids=str,
)
def test_constraints_hold_for_text_and_values(annotation: Any, constraints: Any, good: str, bad: str) -> None:
    schema = schema_of(annotation, constraints)
    value = schema.parse(good)
    assert schema.coerce(value) == value
    with pytest.raises(SchemaError):
        schema.parse(bad)
    wrong = schema_of(annotation).parse(bad) if constraints else None
    if constraints:
        with pytest.raises(SchemaError):
            schema.coerce(wrong)


def test_validators_of_the_user_see_what_came_and_their_words_are_kept() -> None:
    def even(value: int) -> int:
        if value % 2:
            raise ValueError("it must be even")
        return value

    assert schema_of(Percent).parse('{"share": "85%"}') == Percent(share=0.85)
    assert schema_of(Snippet).parse("print(1)") == Snippet(code="print(1)")
    assert schema_of(Snippet).parse('{"code": "x"}') == Snippet(code="x")
    assert schema_of(Annotated[int, AfterValidator(even)]).parse("1,000") == 1000
    with pytest.raises(SchemaError, match="it must be even"):
        schema_of(Annotated[int, AfterValidator(even)]).parse("3")
    assert schema_of(Annotated[int, BeforeValidator(len)]).parse("four") == 4
    with pytest.raises(SchemaError, match="too far out"):
        schema_of(Point).parse('{"x": 100}')


def test_a_validator_that_breaks_is_a_value_that_does_not_fit() -> None:
    class Broken(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def _look_up(cls, value: int) -> int:
            return {1: 1}[value]

    assert schema_of(Broken).parse('{"a": 1}').a == 1
    with pytest.raises(SchemaError):
        schema_of(Broken).parse('{"a": 2}')


def test_types_that_only_pydantic_knows_see_json_first_and_then_the_text() -> None:
    schema = schema_of(HttpUrl)
    assert str(schema.parse("https://example.com/a")) == "https://example.com/a"
    assert str(schema.parse('"https://example.com/a"')) == "https://example.com/a"
    assert schema.render(schema.parse("https://example.com/a")) == "https://example.com/a"
    with pytest.raises(SchemaError):
        schema.parse("no url")


def test_the_best_fitting_model_of_a_union_is_taken() -> None:
    class Add(BaseModel):
        op: Literal["add"]
        left: int
        right: int

    class Sub(BaseModel):
        op: Literal["sub"]
        left: int
        right: int

    class Wide(BaseModel):
        left: int
        right: int
        note: str = ""

    schema = schema_of(Union[Add, Sub, Wide])
    assert isinstance(schema.parse('{"op": "sub", "left": 1, "right": 2}'), Sub)
    assert isinstance(schema.parse('{"op": "SUB", "left": 1, "right": 2}'), (Sub, Wide))
    assert isinstance(schema.parse('{"left": 1, "right": 2, "note": "x"}'), Wide)
    with pytest.raises(SchemaError):
        schema.parse('{"op": "mul"}')


def test_whole_replies_are_read_as_json() -> None:
    repairs: list[str] = []
    assert read_json('{"a": 1}', repairs) == {"a": 1}
    assert repairs == []
    assert read_object("Thinking [1]... {'a': '}', } done", repairs) == {"a": "}"}
    assert repairs
    assert read_object('```json\n{"a": 1}\n```') == {"a": 1}
    for text in ("", "no json", "[1]", "{", "{a}"):
        with pytest.raises(SchemaError):
            read_object(text)
