"""What the scorer's index says of a query and its documents."""

from __future__ import annotations

import pytest

from whet.lm.embedded.score import Index
from whet.lm.embedded.text import features


def test_the_words_that_speak_for_a_document_are_those_it_shares_but_for_function_words() -> None:
    index = Index([features("a bill for the card"), features("the parcel is late")])
    shared = index.shared("Why is the card on this bill so late?", 0)
    assert set(shared) == {"card", "bill"} and min(shared.values()) > 0
    assert set(index.shared("Why is the card on this bill so late?", 1)) == {"late"}


def test_a_document_is_wholly_like_itself_and_a_query_without_words_like_none() -> None:
    documents = [features("a bill for the card"), features("parcel late")]
    index = Index(documents)
    assert index.cosines(documents[0])[0] == pytest.approx(1.0)
    assert index.cosines({}) == [0.0, 0.0]
