"""Which texts of a corpus are meant: by their number, by themselves, or by fields of a passage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any

from whet.core.wording import a_kind, counted
from whet.errors import InputError
from whet.retrieve.passage import Passage, as_passage

__all__ = ["places_in"]


def places_in(corpus: Sequence[Any], what: Any) -> set[int]:
    """The places of what is named: a number, a text, a mapping with some fields of a passage, or several of these.

    Raises `InputError` for what fits nothing.

    >>> sorted(places_in(["a fox", {"text": "a hare", "pid": 4}, "a fox"], ["a fox", {"pid": 4}]))
    [0, 1, 2]
    """
    several = isinstance(what, Iterable) and not isinstance(what, str | Mapping)
    by_text: dict[str, list[int]] = {}
    passages = [as_passage(item) for item in corpus]
    for place, passage in enumerate(passages):
        by_text.setdefault(passage["text"], []).append(place)
    found: set[int] = set()
    for one in what if several else [what]:
        places = _places(one, passages, by_text)
        if not places:
            raise InputError(f"There is no {_shown(one)} among {counted(len(corpus), 'text')}; nothing was changed.")
        found.update(places)
    return found


def _places(one: Any, passages: Sequence[Passage], by_text: Mapping[str, list[int]]) -> Sequence[int]:
    if isinstance(one, str):
        return by_text.get(one, ())
    if isinstance(one, Mapping) and one:
        # What a search adds to a passage is not of the corpus.
        fields = {name: value for name, value in one.items() if not (isinstance(one, Passage) and name in ("score", "index"))}
        among = by_text.get(fields["text"], ()) if isinstance(fields.get("text"), str) else range(len(passages))
        return [place for place in among if all(name in passages[place] and passages[place][name] == fields[name] for name in fields)]
    if hasattr(one, "__index__") and not isinstance(one, bool):
        return [index(one)] if 0 <= index(one) < len(passages) else ()
    raise InputError(f"A text is named by its number, by itself, or by fields of its passage; this is {one!r:.80}, {a_kind(one)}.")


def _shown(one: Any) -> str:
    return f"number {index(one)}" if hasattr(one, "__index__") else f"{one!r:.80}"
