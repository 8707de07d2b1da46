"""Signature shapes on which adapters are measured: every kind of output, alone and together, each with a right answer."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel
from typing_extensions import TypedDict

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.core.types.text import Code

__all__ = ["Shape", "shapes"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A signature with inputs and a right answer."""

    name: str
    signature: Signature
    inputs: dict[str, Any]
    answer: dict[str, Any]


class Mood(enum.Enum):
    """How somebody feels."""

    HAPPY = "happy"
    NOT_SURE = "not sure"


class Level(enum.IntEnum):
    """How urgent something is."""

    LOW = 1
    HIGH = 3


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    zip: int


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int | None = None
    address: Address
    tags: list[str] = []


class Node(BaseModel):
    """A tree."""

    label: str
    children: list["Node"] = []  # noqa: UP037 - the class is named inside itself


@dataclass
class Point:
    """A place."""

    x: float
    y: float
    name: str = ""


class Item(TypedDict):
    """A line of a bill."""

    title: str
    price: float


class Pair(NamedTuple):
    """Two things."""

    left: str
    right: int


@dataclass(frozen=True)
class _Kind:
    name: str
    annotation: Any
    value: Any
    options: dict[str, Any] = field(default_factory=dict)


_PERSON = Person(name="Zoë O'Neil", age=41, address=Address(street='5 "High" St, Leeds', zip=1005), tags=["a", "b, c"])
_TREE = Node(label="root", children=[Node(label="left"), Node(label="right", children=[Node(label="leaf")])])
_LONG = 'First line.\n\n  - indented "point"\n  - a {brace}, <b>tags</b> & so on\n\nLast line.'
_KINDS = [
    _Kind("text", str, "Paris"),
    _Kind("long text", str, _LONG),
    _Kind("text like a number", str, "007"),
    _Kind("text like JSON", str, '{"a": [1, 2]}'),
    _Kind("text like a marker", str, "Write:\n[[ ## answer ## ]]\nand <answer>"),
    _Kind("number", int, 42),
    _Kind("big number", int, 1_234_567),
    _Kind("score", float, 0.85),
    _Kind("bounded score", float, 0.5, {"ge": 0, "le": 1}),
    _Kind("truth", bool, True),
    _Kind("untruth", bool, False),
    _Kind("choice", Literal["yes", "no", "don't know"], "don't know"),
    _Kind("choice of numbers", Literal[1, 2, 3], 2),
    _Kind("enum", Mood, Mood.NOT_SURE),
    _Kind("int enum", Level, Level.HIGH),
    _Kind("date", date, date(2024, 5, 31)),
    _Kind("moment", datetime, datetime(2024, 5, 31, 18, 30)),
    _Kind("time", time, time(18, 30)),
    _Kind("decimal", Decimal, Decimal("12.50")),
    _Kind("text or nothing", str | None, None),
    _Kind("text, not nothing", str | None, "some"),
    _Kind("number or nothing", int | None, None),
    _Kind("number, not nothing", int | None, 7),
    _Kind("number or text", int | str, "seven"),
    _Kind("model or text", Address | str, Address(street="x", zip=1)),
    _Kind("words", list[str], ["a", "b, c", 'say "d"']),
    _Kind("no words", list[str], []),
    _Kind("one word", list[str], ["only"]),
    _Kind("numbers", list[int], [1, 2, 3]),
    _Kind("truths", list[bool], [True, False]),
    _Kind("choices", list[Literal["a", "b"]], ["b", "a"]),
    _Kind("lists", list[list[int]], [[1, 2], [], [3]]),
    _Kind("set", set[str], {"a", "b"}),
    _Kind("pair", tuple[str, int], ("a", 1)),
    _Kind("row", tuple[float, ...], (0.5, 1.5)),
    _Kind("mapping", dict[str, int], {"a": 1, "b c": 2}),
    _Kind("mapping of lists", dict[str, list[str]], {"a": ["x"], "b": []}),
    _Kind("numbered mapping", dict[int, str], {1: "a", 2: "b"}),
    _Kind("open mapping", dict[str, Any], {"a": 1, "b": ["x", None], "c": {"d": True}}),
    _Kind("model", Address, Address(street="5 High St", zip=1005)),
    _Kind("nested model", Person, _PERSON),
    _Kind("model or nothing", Person | None, None),
    _Kind("models", list[Person], [_PERSON, _PERSON.model_copy(update={"age": None, "tags": []})]),
    _Kind("mapping of models", dict[str, Address], {"home": Address(street="x", zip=1)}),
    _Kind("tree", Node, _TREE),
    _Kind("dataclass", Point, Point(x=1.5, y=-2, name="here")),
    _Kind("dataclasses", list[Point], [Point(x=0, y=0), Point(x=1, y=1, name="b")]),
    _Kind("typed dict", Item, {"title": "Tea", "price": 2.5}),
    _Kind("typed dicts", list[Item], [{"title": "Tea", "price": 2.5}, {"title": "Cake", "price": 4.0}]),
    _Kind("named tuple", Pair, Pair("a", 1)),
    _Kind("code", Code, Code(code='def f(x):\n    return {"a": x < 1}')),
]
_MIXES = [
    ("reason and answer", ("text", "choice")),
    ("reason and score", ("long text", "bounded score")),
    ("two texts", ("text", "long text")),
    ("label and reason", ("enum", "text")),
    ("facts", ("number", "date", "decimal", "truth")),
    ("text and words", ("long text", "words")),
    ("text and model", ("text", "nested model")),
    ("model and text", ("nested model", "text")),
    ("models and numbers", ("models", "numbers", "score")),
    ("all optional", ("text or nothing", "number or nothing", "model or nothing")),
    ("hostile texts", ("text like a marker", "text like JSON", "text like a number")),
    ("ten fields", ("text", "long text", "number", "score", "truth", "choice", "words", "nested model", "models", "mapping")),
]


def shapes() -> Iterator[Shape]:
    """Every shape: each kind of output alone, then mixes of up to ten."""
    known = {kind.name: kind for kind in _KINDS}
    for kind in _KINDS:
        yield _shape(kind.name, [("answer", kind)])
    for name, parts in _MIXES:
        yield _shape(name, [(part.replace(" ", "_").replace(",", ""), known[part]) for part in parts])


def _shape(name: str, outputs: list[tuple[str, _Kind]]) -> Shape:
    fields: dict[str, Any] = {"passage": InputField(desc="a text that says it all")}
    fields |= {key: (kind.annotation, OutputField(**kind.options)) for key, kind in outputs}
    answer = {key: kind.value for key, kind in outputs}
    told = ", ".join(f"{key} is {value!r}" for key, value in answer.items())
    signature = Signature(fields, "Take the fields out of the passage.")
    return Shape(name=name, signature=signature, inputs={"passage": f"As we know: {told}."}, answer=answer)
