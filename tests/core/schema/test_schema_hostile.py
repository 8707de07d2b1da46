"""Whatever a model writes, reading it ends soon, and either gives a value or a SchemaError."""

# ruff: noqa: UP007, UP045 - both spellings of a union are under test

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from decimal import Decimal
from functools import partial
from typing import Any, Literal, Optional, Union

import pytest
from pydantic import BaseModel

from effort import MOST_YARDS_PER_10_KB, within
from whet.core.schema import read_json, read_object, schema_of
from whet.errors import SchemaError


class Tree(BaseModel):
    value: int
    label: Optional[str] = None
    children: list[Tree] = []


class Add(BaseModel):
    left: Union[Add, Mul, int]
    right: Union[Add, Mul, int]


class Mul(BaseModel):
    left: Union[Add, Mul, int]
    right: Union[Add, Mul, int]


@dataclasses.dataclass
class Left:
    left: Union[Left, Right, int]


@dataclasses.dataclass
class Right:
    left: Union[Left, Right, int]


TYPES = [
    int,
    float,
    bool,
    Any,
    Literal["a", "b c"],
    Optional[str],
    Optional[int],
    Union[int, float, str],
    list[int],
    list[str],
    set[str],
    dict[int, list[str]],
    tuple[int, str],
    Tree,
    Union[Tree, list[int], None],
    Add,
    Left,
    dt.date,
    dt.datetime,
    dt.timedelta,
    Decimal,
    bytes,
    list[Union[Literal["aaa", "bbb"], Literal["ccc", "ddd"], dt.date, int]],
]


def _nested(depth: int, leaf: str) -> str:
    return '{"left": ' * depth + leaf + ', "right": 2}' * depth


_N = 10_000
TEXTS = {
    "deep list": "[" * 100_000,
    "deep object": '{"a":' * 20_000,
    "braces": "{" * _N,
    "closing": "]" * _N,
    "mixed": "[{" * (_N // 2),
    "quotes": '"' * _N,
    "single quotes": "'" * _N,
    "backslashes": '["' + "\\" * _N,
    "digits": "9" * _N,
    "exponent": "1e" + "9" * _N,
    "many items": "[" + "1," * (_N // 2),
    "bare items": "[" + "x, " * (_N // 3) + "]",
    "tuples": "[" + "(1,2)," * (_N // 6) + "]",
    "comments": "[/**/" + "/* x */" * (_N // 7) + "]",
    "open comments": "[" + "/*" * (_N // 2),
    "fences": "```\n" * (_N // 4),
    "full fences": "```json\n[1]\n```\n" * (_N // 16),
    "segments": "[1] " * (_N // 4),
    "inner quotes": '{"a": "' + 'he said "hi" there, ' * (_N // 20) + '"}',
    "triple quotes": '"""' * (_N // 3),
    "ambiguous": _nested(40, '"x"'),
    "ambiguous deep": _nested(400, "1"),
    "brackets in a text": '{"a": "' + "} \\ \\" * 790,
    "comments and brackets": '{"a": "' + "}/*" * 1_300,
    "quotes and brackets": "{" + '"a}' * 1_300,
    "commas": "[" + "a," * 1_950,
    "underscores": "1_" * (_N // 2) + "1",
    "surrogates": "\ud800" * _N,
    "escapes": '["' + "\\ud83d" * (_N // 6) + '"]',
    "zeros": "\0" * _N,
    "blanks": " " * _N,
    "dashes": "a-" * (_N // 2),
    "words": '["' + '", "'.join(f"w{index}" for index in range(_N // 8)) + '"]',
}


def _read(read: Any, text: str) -> None:
    try:
        read(text)
    except SchemaError as error:
        assert len(str(error)) < 5_000


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_ends_soon_in_a_schema_error_or_a_value(text: str) -> None:
    for read in [schema_of(annotation).parse for annotation in TYPES] + [read_json, read_object]:
        assert within(MOST_YARDS_PER_10_KB * max(len(text), _N) / _N, partial(_read, read, text)), read


_TOKENS = list("{}[]():,\"'a1-.\n\\# ") + [
    "value",
    "left",
    "e5",
    "true",
    "None",
    "u12",
    "```",
    "```json\n",
    "//",
    "/*",
    "*/",
    "\ud800",
    '"a":',
    "1,000",
    "NaN",
]


def test_random_tokens_raise_nothing_else() -> None:
    chance = random.Random(7)
    schemas = [schema_of(annotation) for annotation in TYPES]
    for _ in range(4_000):
        text = "".join(chance.choices(_TOKENS, k=chance.choice([3, 10, 40, 200])))
        try:
            chance.choice(schemas).parse(text, [])
        except SchemaError as error:
            assert str(error)
