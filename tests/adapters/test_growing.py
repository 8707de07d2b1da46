"""Values while they come: finished parts are typed and checked, wherever the text is cut."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel

import whet
from core.schema.generated_types import typed_values
from whet.adapters.elements import content, is_nested
from whet.adapters.growing import grown
from whet.core.schema import one_line, schema_of


class Author(BaseModel):
    name: str
    born: int | None = None


class Book(BaseModel):
    title: str
    out: date
    price: Decimal
    kind: Literal["novel", "novella"]
    authors: list[Author] = []


BOOK = Book(
    title='A "b" é🙂', out=date(2024, 5, 31), price=Decimal("12.50"), kind="novel", authors=[Author(name="Zoë", born=1), Author(name="x")]
)
SCHEMA = schema_of(list[Book])
JSON = one_line(SCHEMA.dump([BOOK]))
ELEMENTS = content(SCHEMA, [BOOK])


def until(text: str, sign: str) -> str:
    return text[: text.index(sign) + len(sign)]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (until(JSON, "[{"), [{}]),
        (until(JSON, "tit"), [{}]),
        (until(JSON, '"A \\"b'), [{"title": 'A "b'}]),
        (until(JSON, '"A \\'), [{"title": "A "}]),
        (until(JSON, "2024-05-3"), [{"title": BOOK.title}]),
        (until(JSON, '"nove'), [{"title": BOOK.title, "out": date(2024, 5, 31), "price": Decimal("12.50")}]),
        (until(JSON, '"born": 1'), [{**BOOK.model_dump(exclude={"authors"}), "authors": [{"name": "Zoë"}]}]),
        (until(JSON, '"born": 1}'), [{**BOOK.model_dump(exclude={"authors"}), "authors": [Author(name="Zoë", born=1)]}]),
        (JSON[:-1], [BOOK]),
        (until(ELEMENTS, "<title>A"), [{"title": "A"}]),
        (until(ELEMENTS, "<out>2024-05"), [{"title": BOOK.title}]),
        (until(ELEMENTS, "<born>1</born>"), [{**BOOK.model_dump(exclude={"authors"}), "authors": [{"name": "Zoë", "born": 1}]}]),
        (ELEMENTS, [BOOK]),
    ],
)
def test_what_is_whole_is_typed(text: str, seen: Any) -> None:
    assert grown(SCHEMA, text) == (seen, None)


def test_what_can_no_longer_fit_is_told_at_once() -> None:
    assert str(grown(SCHEMA, '[{"title": "x", "out": "soon", "pri').problem).startswith("`[0].out`: 'soon' does not fit, expected a date")
    assert str(grown(SCHEMA, "<item><title>x</title><out>soon</out><pri").problem).startswith("`[0].out`: 'soon' does not fit")
    assert grown(SCHEMA, '[{"out": "soon').problem is None
    assert grown(schema_of(Author | None), '{"name": "x", "born": "1').value == {"name": "x"}
    assert grown(schema_of(int), "12") == (None, None)
    for text in ("[", "[}", '{"a" 1', '["a" "b"', "[[[[", "prose", "", '"a', "[1,,", "<", "<<item>", "[{" * 500):
        grown(SCHEMA, text)


@given(pair=typed_values(), cut=st.floats(0, 1))
@settings(max_examples=150)
def test_a_value_that_fits_has_no_problem_on_its_way(pair: tuple[Any, Any], cut: float) -> None:
    schema, value = schema_of(pair[0]), pair[1]
    text = schema.render(value)
    assert grown(schema, text[: int(cut * len(text))]).problem is None
    if is_nested(schema) and value is not None:
        text = content(schema, value)
        assert grown(schema, text[: int(cut * len(text))]).problem is None


def test_a_stream_stops_where_a_part_does_not_fit() -> None:
    class Typing(whet.BaseLM):
        taken = 0

        def stream_complete(self, request: Any) -> Any:
            for char in '{"books": [{"title": "x", "out": "soon", "price": 1, "kind": "novel"}]}':
                self.taken += 1
                yield char

    lm = Typing("typing", cache=False)
    program = whet.Predict(whet.Signature({"q": whet.InputField(), "books": (list[Book], whet.OutputField())}), adapter=whet.JSONAdapter())
    with whet.context(lm=lm):
        stream = program.stream(q="x").until(lambda event: event.problem is not None)
        events = list(stream)
    assert "'soon' does not fit" in str(events[-2].problem)
    assert lm.taken < 45
