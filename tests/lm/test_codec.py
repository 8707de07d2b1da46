"""Responses survive being written down, whatever is in them; anything else reads as nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from whet.core.exchange import Choice, Citation, Response, Usage
from whet.core.messages import ToolCallPart
from whet.lm.codec import decode_response, encode_response

texts = st.text(st.characters(exclude_categories=()), max_size=30)
maybe = st.none() | texts
choices = st.builds(
    Choice,
    text=maybe,
    tool_calls=st.lists(st.builds(ToolCallPart, id=maybe, name=texts, arguments=texts), max_size=2).map(tuple),
    reasoning=maybe,
    citations=st.lists(st.builds(Citation, cited_text=texts, document_index=st.integers(0, 9), document_title=maybe), max_size=2).map(
        tuple
    ),
    logprobs=st.none() | st.dictionaries(texts, st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2), max_size=2),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", None]),
)
counts = st.integers(0, 10**6)
responses = st.builds(
    Response,
    choices=st.lists(choices, min_size=1, max_size=3).map(tuple),
    usage=st.builds(Usage, input_tokens=counts, output_tokens=counts, cached_input_tokens=counts, reasoning_tokens=counts),
    model=texts,
    cost=st.none() | st.floats(0, 10),
    request_id=maybe,
    attempts=st.integers(1, 5),
)


@given(responses)
def test_a_response_comes_back_as_it_was(response: Response) -> None:
    text = encode_response(response)
    text.encode()  # every store can hold it, lone surrogates included
    assert decode_response(text) == response


def test_a_hit_costs_nothing() -> None:
    response = Response(choices=(Choice(text="x"),), usage=Usage(input_tokens=5), model="m", cost=0.25)
    hit = decode_response(encode_response(response, usage=False), cache_hit=True)
    assert hit == Response(choices=(Choice(text="x"),), model="m", cost=0.0, cache_hit=True)


def test_the_raw_usage_is_kept() -> None:
    response = Response(choices=(Choice(text="x"),), usage=Usage(input_tokens=5, raw={"prompt_tokens": 5}), model="m")
    assert decode_response(encode_response(response)) == response


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '"x"',
        "{}",
        '{"format":1}',
        '{"format":1,"model":"m","choices":[7]}',
        '{"format":1,"model":"m","choices":7}',
        '{"format":999,"model":"m","choices":[]}',
        "[" * 100_000,
    ],
)
def test_anything_else_reads_as_nothing(text: str) -> None:
    assert decode_response(text) is None


def test_what_is_no_json_is_refused() -> None:
    for logprobs in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            encode_response(Response(choices=(Choice(text="x", logprobs=logprobs),)))


def test_the_text_is_plain_json() -> None:
    plain = json.loads(encode_response(Response(choices=(Choice(text="é"),), model="m")))
    assert plain == {"format": 1, "model": "m", "choices": [{"text": "é"}]}
