"""Values that are made through a twin are what a frozen dataclass would have made."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from inspect import signature
from typing import Any

import pytest

from whet.core.exchange import Choice, Request, Response, Usage
from whet.core.messages import Message
from whet.core.quick import quick
from whet.evaluate.row import Row


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Cup:
    size: int
    spots: list[str] = field(default_factory=list)


def test_it_is_its_own_class_with_its_own_defaults() -> None:
    one, other = Cup(size=1), Cup(size=1)
    assert type(one) is Cup
    assert one == other
    assert one.spots is not other.spots
    assert replace(one, size=2) == Cup(size=2)
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one  # copies of programs may cross a process


def test_it_stays_frozen() -> None:
    cup: Any = Cup(size=1)
    with pytest.raises(FrozenInstanceError):
        cup.size = 2
    with pytest.raises(FrozenInstanceError):
        del cup.size


@pytest.mark.parametrize(("values", "says"), [({}, "size"), ({"size": 1, "colour": "red"}, "colour")])
def test_wrong_arguments_are_named_as_ever(values: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=f"{says}"):
        Cup(**values)


def test_subclasses_may_have_more() -> None:
    class Mug(Cup):
        handle = True

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Jug(Cup):
        litres: float = 1.0

    assert type(Mug(size=3)) is Mug
    assert (Jug(size=3).size, Jug(size=3).litres) == (3, 1.0)


@pytest.mark.parametrize("cls", [Request, Response, Choice, Usage, Message, Row])
def test_every_such_value_shows_the_arguments_that_it_has(cls: Any) -> None:
    assert list(signature(cls).parameters) == [f.name for f in fields(cls)]
    assert cls.__slots__ == tuple(f.name for f in fields(cls))
