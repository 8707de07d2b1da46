"""parse(render(v)) == v, for generated types and values."""

# ruff: noqa: UP007, UP045 - both spellings of a union are under test

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from core.schema.generated_types import Color, identical, texts, typed_values
from whet.core.schema import one_line, schema_of

_QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@_QUICK
@given(typed_values())
def test_what_is_rendered_is_parsed_back(pair: tuple[Any, Any]) -> None:
    annotation, value = pair
    schema, repairs = schema_of(annotation), []
    text = schema.render(value)
    assert identical(schema.parse(text, repairs), value), text
    assert repairs == []


@_QUICK
@given(typed_values())
def test_what_is_dumped_is_json_and_comes_back(pair: tuple[Any, Any]) -> None:
    annotation, value = pair
    schema, repairs = schema_of(annotation), []
    data = json.loads(one_line(schema.dump(value)))
    assert identical(schema.coerce(data, repairs), value), data
    assert identical(schema.coerce(value, strict=True), value)
    assert repairs == []
    assert schema.accepts(value)


@_QUICK
@given(st.text(alphabet=st.characters(), max_size=60) | texts)
def test_text_is_never_altered(text: str) -> None:
    assert schema_of(str).parse(text) == text
    assert schema_of(str).render(text) == text


@pytest.mark.parametrize(
    "annotation",
    [
        Optional[str],
        Union[str, int],
        Union[int, str, None],
        Union[str, list[int], None],
        Union[str, dt.date],
        Union[Color, str],
        Any,
        Union[str, bool, float],
    ],
    ids=str,
)
@_QUICK
@given(
    texts
    | st.integers()
    | st.booleans()
    | st.dates()
    | st.sampled_from(Color)
    | st.lists(st.integers(), max_size=3)
    | st.none()
    | st.floats(allow_nan=False)
)
def test_text_beside_other_types_stays_apart_from_them(annotation: Any, value: Any) -> None:
    schema = schema_of(annotation)
    known = annotation is Any and not isinstance(value, (dt.date, Color))
    if known or (annotation is not Any and any(type(value) is member for member in annotation.__args__ if isinstance(member, type))):
        repairs: list[str] = []
        assert identical(schema.parse(schema.render(value), repairs), value)
        assert repairs == []


@pytest.mark.parametrize("value", ["5", 5, "None", None, True, "True", "true", '"5"', "'5'"])
def test_members_of_a_literal_that_look_alike_stay_apart(value: Any) -> None:
    schema = schema_of(Literal["5", 5, "None", None, True, "True", "true", '"5"', "'5'"])
    assert identical(schema.parse(schema.render(value)), value)
    assert identical(schema.coerce(schema.dump(value)), value)
