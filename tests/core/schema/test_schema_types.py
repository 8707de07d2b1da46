"""How types are named, written, described and compiled."""

# ruff: noqa: UP006, UP007, UP035, UP045 - the old spellings are under test

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, List, Literal, NamedTuple, NewType, Optional, TypeVar, Union

import pytest
from pydantic import BaseModel, Field, computed_field, field_serializer
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from whet.core.schema import describe_constraints, plain, schema_of, strict_schema
from whet.errors import SchemaError, SignatureError

T = TypeVar("T")
UserId = NewType("UserId", int)
Alias = TypeAliasType("Alias", list[int])
Json = TypeAliasType("Json", "Union[list[Json], dict[str, Json], str, int, None]")


class Color(enum.Enum):
    RED = "red"


class Answer(BaseModel):
    text: str
    color: Color = Color.RED


@dataclasses.dataclass
class Box(Generic[T]):
    item: T
    next: Optional[Box[T]] = None


class Unknown:
    pass


class Chosen(BaseModel):
    __whet_type_name__ = "str"
    text: str


NAMES = [
    (str, "str"),
    (None, "NoneType"),
    (Answer, "Answer"),
    (list[str], "list[str]"),
    (List[str], "list[str]"),
    (dict[str, int], "dict[str, int]"),
    (tuple[int, ...], "tuple[int, ...]"),
    (tuple[int, str], "tuple[int, str]"),
    (Optional[str], "Union[str, NoneType]"),
    (str | None, "Union[str, NoneType]"),
    (Union[str, int], "Union[str, int]"),
    (Union[int, str], "Union[int, str]"),
    (Literal["a", "it's", 3], "Literal['a', \"it's\", 3]"),
    (Literal["both ' and \""], "Literal['both \\' and \"']"),
    (list[Literal[True]], "list[Literal[True]]"),
    (Annotated[int, Field(ge=1)], "int"),
    (Any, "Any"),
    (Box[int], "Box[int]"),
    (Chosen, "str"),
]


@pytest.mark.parametrize(("annotation", "name"), NAMES, ids=str)
def test_names_in_prompts(annotation: Any, name: str) -> None:
    assert schema_of(annotation).name == name


def test_annotations_that_are_equal_but_not_the_same_are_not_confused() -> None:
    assert schema_of(Literal[1]).parse("1") is not True
    assert schema_of(Literal[True]).parse("True") is True
    assert schema_of(list[Literal[1]]).coerce([1]) == [1]
    with pytest.raises(SchemaError):
        schema_of(Literal[1]).coerce(True, strict=True)
    assert schema_of(Literal["a", "b"]).note() != schema_of(Literal["b", "a"]).note()
    assert schema_of(Union[int, str]).name != schema_of(Union[str, int]).name
    assert schema_of(List[int]).annotation == List[int]
    assert schema_of(int, {"ge": 1}).name == "int"
    assert schema_of(int, {"ge": 1}) is not schema_of(int, {"ge": 2})


def test_a_schema_is_compiled_once_and_unhashable_annotations_work() -> None:
    annotation = Annotated[int, {"a": "remark"}]
    assert schema_of(annotation) is schema_of(annotation)
    assert schema_of(annotation).parse("5") == 5
    assert schema_of(Answer) is schema_of(Answer)
    bounds = {"ge": 1}
    assert schema_of(int, bounds) is schema_of(int, bounds)


def test_many_annotations_do_not_pile_up() -> None:
    first = list[int]
    kept = schema_of(first)
    for index in range(2_500):
        schema_of(Literal[index])  # type: ignore[valid-type]
    assert schema_of(first) is not kept


@pytest.mark.parametrize("annotation", [Unknown, list[Unknown], Optional[Unknown], "int", list["int"], Literal[b"x"]], ids=str)
def test_types_that_cannot_be_written_are_refused_with_the_way_out(annotation: Any) -> None:
    with pytest.raises(SignatureError) as caught:
        schema_of(annotation)
    assert "`" in str(caught.value) or "name" in str(caught.value)


def test_an_unknown_class_is_named_with_the_fix() -> None:
    with pytest.raises(SignatureError, match=r"`Unknown`.*dataclass or a pydantic model"):
        schema_of(dict[str, Unknown])
    with pytest.raises(SignatureError, match="Unknown constraint `minimum`"):
        schema_of(int, {"minimum": 1})
    with pytest.raises(SignatureError, match="no regular expression"):
        schema_of(str, {"pattern": "("})


def test_text_is_plain_str_only() -> None:
    assert schema_of(str).is_text
    assert schema_of(str, {"max_length": 3}).is_text
    assert not schema_of(Optional[str]).is_text
    assert schema_of(Optional[str]).nullable
    assert not schema_of(str).nullable


RENDERED = [
    (str, "any {text}\n", "any {text}\n"),
    (str, [], "N/A"),
    (str, ["one"], "«one»"),
    (str, ["a", "b\nc", "«d»"], "[1] «a»\n[2] «««\n    b\n    c\n»»»\n[3] «««\n    «d»\n»»»"),
    (int, 5, "5"),
    (bool, True, "True"),
    (None, None, "None"),
    (float, 0.1, "0.1"),
    (Color, Color.RED, "red"),
    (dt.date, dt.date(2024, 5, 31), "2024-05-31"),
    (dt.datetime, dt.datetime(2024, 5, 31, 18, tzinfo=dt.UTC), "2024-05-31T18:00:00Z"),
    (Decimal, Decimal("1.50"), "1.50"),
    (bytes, b"\x00\x01", "AAE="),
    (list[str], ["é", "x"], '["é", "x"]'),
    (dict[str, Any], {"a": [1, None], "d": dt.date(2024, 1, 1)}, '{"a": [1, null], "d": "2024-01-01"}'),
    (set[str], {"b", "a", "c"}, '["a", "b", "c"]'),
    (Answer, Answer(text="é"), '{"text": "é", "color": "red"}'),
    (Optional[Answer], None, "None"),
    (Optional[str], "null", '"null"'),
    (Optional[str], '"null"', '"\\"null\\""'),
    (Union[str, int], "5", '"5"'),
    (Union[str, int], 5, "5"),
    (int, "no int", "no int"),
    (Answer, {"text": "a dict"}, '{"text": "a dict"}'),
    (list[int], "a text", "a text"),
]


@pytest.mark.parametrize(
    ("annotation", "value", "text"), RENDERED, ids=lambda v: None if isinstance(v, set) or type(v) is object else str(v)
)
def test_values_in_prompts(annotation: Any, value: Any, text: str) -> None:
    assert schema_of(annotation).render(value) == text


ACCEPTED = [
    (int, 5, True),
    (int, "5", False),
    (float, 5, True),
    (str, ["a", "b"], True),
    (str, [1], False),
    (list[str], ["a"], True),
    (list[str], ["a", 1], False),
    (dict[str, int], {"a": 1}, True),
    (dict[str, int], {"a": "b"}, False),
    (tuple[int, ...], (1, 2), True),
    (tuple[int, ...], (1, "a"), False),
    (tuple[int, str], (1, "a"), True),
    (set[int], {"a"}, False),
    (Union[int, str], 1.5, False),
    (Optional[int], None, True),
    (int, None, True),
    (Literal["a", "b"], "c", False),
    (Literal[1], True, False),
    (Color, Color.RED, True),
    (Color, "red", False),
    (Answer, Answer(text="x"), True),
    (Answer, {"text": "x"}, False),
    (Any, object(), True),
]


@pytest.mark.parametrize(
    ("annotation", "value", "accepted"), ACCEPTED, ids=lambda v: None if isinstance(v, set) or type(v) is object else str(v)
)
def test_inputs_of_the_right_type(annotation: Any, value: Any, accepted: bool) -> None:
    assert schema_of(annotation).accepts(value) is accepted


def test_notes_say_what_a_value_is() -> None:
    assert schema_of(str).note() == ""
    assert "True" in schema_of(bool).note()
    assert "number" in schema_of(int).note()
    assert "number" in schema_of(float).note()
    assert schema_of(Literal["a", "it's", 3]).note().endswith("a; it's; 3")
    assert schema_of(Color).note().endswith("red")
    note = schema_of(list[int]).note()
    assert json.loads(note[note.index("{") :]) == {"type": "array", "items": {"type": "integer"}}
    assert "\n" not in schema_of(Answer).note()


def test_json_schemas_are_those_of_pydantic_for_models() -> None:
    schema = schema_of(Answer).json_schema()
    assert schema["properties"]["color"] == {"$ref": "#/$defs/Color", "default": "red"}
    assert schema["$defs"]["Color"] == {"type": "string", "enum": ["red"], "title": "Color"}
    assert schema["required"] == ["text"]
    assert (schema["type"], schema["title"]) == ("object", "Answer")


def test_json_schemas_of_recursive_and_generic_records() -> None:
    schema = schema_of(Box[int]).json_schema()
    assert schema["$ref"] == "#/$defs/Box_int_"
    assert schema["$defs"]["Box_int_"]["properties"]["item"] == {"type": "integer"}
    value = Box(1, Box(2))
    assert schema_of(Box[int]).parse(schema_of(Box[int]).render(value)) == value


@pytest.mark.parametrize(
    "annotation",
    [dict[str, Any], dict[str, int], Any, list[Any], tuple[int, str], Optional[dict[str, int]], list[dict[str, int]]],
    ids=str,
)
def test_open_types_have_no_strict_schema(annotation: Any) -> None:
    assert strict_schema(schema_of(annotation).json_schema()) is None


def test_strict_schemas_close_every_object() -> None:
    class Inner(BaseModel):
        a: int = 1
        b: Union[Answer, int, None] = None

    class Outer(BaseModel):
        inner: list[Inner]
        same: Inner = Field(default=Inner(), description="why")

    original = schema_of(Outer).json_schema()
    before = json.dumps(original)
    strict = strict_schema(original)
    assert strict is not None
    assert json.dumps(original) == before
    for part in [strict, *(part for part in strict["$defs"].values() if part.get("type") == "object")]:
        assert part["required"] == list(part["properties"])
        assert part["additionalProperties"] is False
    assert strict["properties"]["same"] == {"$ref": "#/$defs/Inner"}
    assert '"default"' not in json.dumps(strict)


def test_constraints_in_words_and_schemas() -> None:
    bounds = {"ge": 5, "lt": 10, "min_length": 1, "multiple_of": 2, "allow_inf_nan": True, "gt": 1, "le": 2, "max_length": 9}
    assert describe_constraints(bounds) == (
        "greater than or equal to: 5, less than: 10, minimum length: 1, a multiple of the given number: 2, "
        "allow 'inf', '-inf', 'nan' values: True, greater than: 1, less than or equal to: 2, maximum length: 9"
    )
    assert schema_of(int, {"ge": 5}).json_schema() == {"type": "integer", "minimum": 5}
    assert schema_of(list[str], {"max_length": 2}).json_schema() == {"type": "array", "items": {"type": "string"}, "maxItems": 2}


def test_further_kinds_of_types() -> None:
    @pydantic_dataclass
    class Checked:
        a: int = Field(ge=0)

    class Row(NamedTuple):
        a: int
        b: list[Color]

    class Entry(TypedDict, total=False):
        a: int

    class Written(BaseModel):
        a: int

        @field_serializer("a")
        def _write(self, value: int) -> str:
            return f"{value:,}"

        @computed_field
        @property
        def double(self) -> int:
            return self.a * 2

    cases: list[tuple[Any, Any]] = [
        (Checked, Checked(a=1)),
        (list[Checked], [Checked(a=1)]),
        (Row, Row(1, [Color.RED])),
        (Entry, {}),
        (Written, Written(a=12_345)),
        (UserId, 5),
        (Alias, [1]),
        (Json, {"a": [1, None, "x"]}),
        (Sequence[int], [1]),
        (Mapping[str, int], {"a": 1}),
        (frozenset[int], frozenset({1})),
        (tuple, (1, "a")),
        (list, [1, "a"]),
        (dict, {"a": 1}),
        (tuple[()], ()),
        (object, {"a": 1}),
        (dict[Color, set[dt.date]], {Color.RED: {dt.date(2024, 1, 1)}}),
        (dict[bool, float], {True: 0.5}),
    ]
    for annotation, value in cases:
        schema = schema_of(annotation)
        assert schema.parse(schema.render(value)) == value, annotation
    with pytest.raises(SchemaError):
        schema_of(Checked).parse('{"a": -1}')


def test_a_callable_can_be_an_input_but_has_no_json_schema() -> None:
    with pytest.raises(SignatureError, match="JSON schema"):
        schema_of(Callable[[int], int]).json_schema()


def test_any_value_becomes_plain_data() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    class Word(str):
        pass

    value = {"m": Answer(text="x"), 1: (Color.RED, b"\x00"), "o": Odd(), "w": Word("w"), dt.date(2024, 1, 1): None}
    assert plain(value) == {"m": {"text": "x", "color": "red"}, "1": ["red", "AA=="], "o": "odd", "w": "w", "2024-01-01": None}
    assert type(plain(Word("w"))) is str


def test_simple_types_need_no_pydantic() -> None:
    script = (
        "import sys\nfrom typing import Literal, Optional\nfrom whet.core.schema import schema_of\n"
        "for t in (str, int, float, bool, list[str], dict[str, int], Literal['a'], Optional[int], tuple[int, ...]):\n"
        "    schema_of(t).json_schema()\n"
        "schema_of(list[str]).parse(\"['a']\")\n"
        "assert not {'pydantic', 'pydantic_core', 'decimal', 'json_repair'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": ":".join(sys.path)}, timeout=60)


def test_a_class_may_bring_its_own_schema() -> None:
    class Shouted:
        @classmethod
        def __whet_schema__(cls) -> Any:
            return schema_of(Literal["A", "B"])

    assert schema_of(list[Shouted]).parse('["a"]') == ["A"]
