"""Generated annotations with values of them, for the property tests."""

# ruff: noqa: UP007, UP045 - both spellings of a union are under test

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import itertools
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model
from typing_extensions import TypedDict

_NUMBERS = itertools.count()


@dataclasses.dataclass(frozen=True)
class Kind:
    """An annotation, a strategy for its values, the JSON shapes they take, and whether they can stand in sets."""

    annotation: Any
    values: st.SearchStrategy[Any]
    shapes: frozenset[str]
    hashable: bool = True

    def __repr__(self) -> str:
        return f"Kind({self.annotation})"


class Tree(BaseModel):
    value: int
    label: str | None = None
    children: list[Tree] = Field(default_factory=list)


class Color(enum.Enum):
    RED = "red"
    NONE = "null"
    ODD = ' it\'s "x"\n'


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 20


class Shape(enum.Enum):
    POINT = (0, 0)
    LINE = (1, 0)


def _trees() -> st.SearchStrategy[Tree]:
    leaf = st.builds(Tree, value=st.integers(), label=st.none() | texts)
    return st.recursive(
        leaf,
        lambda inner: st.builds(Tree, value=st.integers(), label=st.none() | texts, children=st.lists(inner, max_size=3)),
        max_leaves=4,
    )


_TRAPS = [
    "",
    " ",
    "null",
    "None",
    '"None"',
    "'",
    '"',
    "5",
    "5.0",
    "true",
    "True",
    "[1]",
    "{}",
    '{"a": 1}',
    "```json\n[1]\n```",
    "[[ ## a ## ]]",
    "«x»",
    "NaN",
    "é\u2028",
]
texts = st.text(max_size=12) | st.sampled_from(_TRAPS)
_floats = st.floats(allow_nan=False)
_moments = st.datetimes() | st.datetimes(timezones=st.just(dt.UTC))


def _kind(annotation: Any, values: Any, shape: str) -> Kind:
    return Kind(annotation, values, frozenset({shape}))


SCALARS = [
    _kind(str, texts, "string"),
    _kind(int, st.integers(), "int"),
    _kind(float, _floats, "float"),
    _kind(bool, st.booleans(), "bool"),
    _kind(Literal["a", "it's", 3, True, None, "3", "None"], st.sampled_from(["a", "it's", 3, True, None, "3", "None"]), "any"),
    _kind(Literal["yes", "no"], st.sampled_from(["yes", "no"]), "string"),
    _kind(Color, st.sampled_from(Color), "string"),
    # Both shapes, so that no union has it beside float: a pydantic model reads 1 as 1.0 there, and its reading is its author's.
    Kind(Level, st.sampled_from(Level), frozenset({"int", "float"})),
    _kind(Shape, st.sampled_from(Shape), "string"),
    _kind(dt.date, st.dates(), "string"),
    _kind(dt.datetime, _moments, "string"),
    _kind(dt.time, st.times(), "string"),
    _kind(dt.timedelta, st.timedeltas(), "string"),
    _kind(Decimal, st.decimals(allow_nan=False, allow_infinity=False), "string"),
    _kind(bytes, st.binary(max_size=12), "string"),
    _kind(UUID, st.uuids(), "string"),
    _kind(Annotated[int, Field(ge=0, le=10)], st.integers(0, 10), "int"),
]
TREE = Kind(Tree, _trees(), frozenset({"object"}), hashable=False)
_KEYS = [SCALARS[0], SCALARS[1], SCALARS[3], SCALARS[5], SCALARS[6], SCALARS[9]]


def _list(item: Kind) -> Kind:
    return Kind(list[item.annotation], st.lists(item.values, max_size=3), frozenset({"array"}), hashable=False)  # type: ignore[name-defined]


def _set(item: Kind) -> Kind:
    if not item.hashable:
        return _list(item)
    return Kind(set[item.annotation], st.sets(item.values, max_size=3), frozenset({"array"}), hashable=False)  # type: ignore[name-defined]


def _frozenset(item: Kind) -> Kind:
    if not item.hashable:
        return _list(item)
    return Kind(frozenset[item.annotation], st.frozensets(item.values, max_size=3), frozenset({"array"}))  # type: ignore[name-defined]


def _row(item: Kind) -> Kind:
    return Kind(tuple[item.annotation, ...], st.lists(item.values, max_size=3).map(tuple), frozenset({"array"}), item.hashable)  # type: ignore[name-defined]


def _fixed(items: list[Kind]) -> Kind:
    annotation = tuple[tuple(item.annotation for item in items)]  # type: ignore[misc]
    return Kind(annotation, st.tuples(*(item.values for item in items)), frozenset({"array"}), all(item.hashable for item in items))


def _dict(key: Kind, item: Kind) -> Kind:
    annotation = dict[key.annotation, item.annotation]  # type: ignore[name-defined]
    return Kind(annotation, st.dictionaries(key.values, item.values, max_size=3), frozenset({"object"}), hashable=False)


def _optional(item: Kind) -> Kind:
    if item.shapes & {"null", "any"}:
        return item
    return Kind(Optional[item.annotation], st.none() | item.values, item.shapes | {"null"}, item.hashable)


def _union(left: Kind, right: Kind) -> Kind:
    if left.shapes & right.shapes or "any" in left.shapes | right.shapes:
        return left
    return Kind(
        Union[left.annotation, right.annotation], left.values | right.values, left.shapes | right.shapes, left.hashable and right.hashable
    )


def _record(form: str, items: list[Kind]) -> Kind:
    types: dict[str, Any] = {f"field_{index}": item.annotation for index, item in enumerate(items)}
    values = {f"field_{index}": item.values for index, item in enumerate(items)}
    name = f"{form.title()}{next(_NUMBERS)}"
    cls: Any
    if form == "dataclass":
        cls = dataclasses.make_dataclass(name, list(types.items()))
    elif form == "typeddict":
        cls = TypedDict(name, types)  # type: ignore[operator]
    elif form == "namedtuple":
        cls = NamedTuple(name, list(types.items()))  # type: ignore[misc]
    else:
        cls = create_model(name, **types)
    return Kind(cls, st.builds(cls, **values), frozenset({"object"}), hashable=False)


def _deeper(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(_list, inner),
        st.builds(_set, inner),
        st.builds(_frozenset, inner),
        st.builds(_row, inner),
        st.builds(_fixed, some),
        st.builds(_dict, st.sampled_from(_KEYS), inner),
        st.builds(_optional, inner),
        st.builds(_union, inner, inner),
        st.builds(_record, st.sampled_from(["dataclass", "typeddict", "namedtuple", "model"]), some),
    )


def _levels() -> st.SearchStrategy[Kind]:
    kinds: st.SearchStrategy[Kind] = st.sampled_from([*SCALARS, TREE])
    for _ in range(3):
        kinds = st.sampled_from([*SCALARS, TREE]) | _deeper(kinds)
    return kinds


kinds = _levels()


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[Any, Any]:
    """An annotation and a value of it."""
    kind = draw(kinds)
    return kind.annotation, draw(kind.values)


def identical(left: Any, right: Any) -> bool:
    """Whether two values are equal and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            identical(a, b) and identical(left[a], right[b]) for a, b in zip(sorted(left, key=repr), sorted(right, key=repr), strict=True)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, BaseModel) or dataclasses.is_dataclass(left):
        return identical(vars(left), vars(right))
    return bool(left == right)
