"""What a search gives, and the one protocol of everything that searches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, overload, runtime_checkable

from whet.core.flow import Flow, Invoke, adrive
from whet.core.wording import a_kind
from whet.errors import ConfigurationError, InputError

__all__ = ["Passage", "Retriever", "Searching", "as_passage"]

# The corpus of an index that was given none.
NONE_YET: Final[Sequence[Any]] = range(0)


class Passage(dict[str, Any]):
    """A found text: a dict with `text`, `score` (higher is better) and whatever the index knows; its keys are attributes, too.

    A dict, because programs take its parts by key, print it and store it as JSON. `long_text` is `text` unless it is given.

    >>> passage = Passage(text="Kinnairdy Castle | A tower house in Scotland.", score=1.5)
    >>> passage["text"] == passage.long_text, passage.score
    (True, 1.5)
    """

    def __init__(self, base: Mapping[str, Any] | None = None, **values: Any) -> None:
        super().__init__(base or {}, **values)
        self.setdefault("text", self.get("long_text", ""))
        self.setdefault("long_text", self["text"])

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"This passage has no `{name}`; it has: {', '.join(self)}") from None

    def scored(self, score: float) -> Passage:
        """A copy with this score."""
        return Passage({**self, "score": score})

    def __str__(self) -> str:
        return str(self["text"])


@runtime_checkable
class Retriever(Protocol):
    """Whatever finds passages.

    >>> class Shelf:
    ...     def search(self, queries, k):
    ...         return [[Passage(text="A red fox.", score=1.0)][:k] for query in queries]
    >>> isinstance(Shelf(), Retriever)
    True
    """

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query at most `k` passages, the best first, each with a `score`."""
        ...


class Searching:
    """Makes a retriever callable, so that it can stand in `whet.configure(rm=...)`: one query gives a list, several a list of lists."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Passage]]:
        """For each query at most `k` passages, the best first."""
        raise NotImplementedError

    @overload
    def __call__(self, query: str, k: int = 3) -> list[Passage]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, query: Sequence[str], k: int = 3) -> list[list[Passage]]: ...
    def __call__(self, query: str | Sequence[str], k: int = 3) -> list[Passage] | list[list[Passage]]:
        """The `k` best passages for a query."""
        check_queries([query] if isinstance(query, str) else query, k)
        return self.search([query], k)[0] if isinstance(query, str) else self.search(query, k)

    async def acall(self, query: str | Sequence[str], k: int = 3) -> Any:
        """The same, awaited: the event loop goes on meanwhile."""
        return await adrive(invoked(self, query, k=k))


def invoked(function: Any, *args: Any, **kwargs: Any) -> Flow[Any]:
    """A call of a function of any kind, sync or async, as a flow."""
    return (yield Invoke(function, args, kwargs))


def as_passage(item: Any) -> Passage:
    """A text or a mapping with `text` as a passage. Raises `InputError` for anything else."""
    if isinstance(item, str):
        return Passage(text=item)
    if isinstance(item, Passage):
        return item
    if isinstance(item, Mapping) and isinstance(item.get("text", item.get("long_text")), str):
        return Passage(item)
    raise InputError(f"A passage is a text or a mapping with a `text`; this is {item!r:.80}, {a_kind(item)}.")


def as_passages(items: Iterable[Any]) -> list[Passage]:
    """A corpus as passages. Raises `InputError` for one text, or one passage, in the place of several."""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InputError(f"A corpus is a list of texts; this is {items!r:.80}, {a_kind(items)}.")
    return [as_passage(item) for item in items]


def check_retriever(value: Any) -> None:
    """Raises `ConfigurationError` for what has no `search`."""
    if not callable(getattr(value, "search", None)):
        raise ConfigurationError(f"A retriever has a method `search(queries, k)`; {value!r:.80} ({a_kind(value)}) has none.")


def checked_rankings(retriever: Any, queries: Sequence[str], found: Any) -> list[Any]:
    """What a `search` gave, or `InputError` unless that is a list of passages for each of the queries."""
    name = f"`{type(retriever).__name__}.search`"
    if not isinstance(found, Sequence) or len(found) != len(queries):
        raise InputError(f"{name} gives a list for each of {len(queries)} queries; it gave {found!r:.80}.")
    for ranking in found:
        if isinstance(ranking, str | Mapping) or not isinstance(ranking, Iterable):
            raise InputError(f"{name} takes a list of queries, and gives a list of passages for each; for one it gave {ranking!r:.80}.")
    return list(found)


def as_corpus(items: Iterable[Any]) -> list[Passage]:
    """A corpus to search, empty only where none is given. Raises `InputError` for one that is empty: a file or filter was wrong."""
    passages = as_passages(items)
    if items is not NONE_YET and not passages:
        raise InputError("The corpus is empty; give at least one text.")
    return passages


def check_pool(pool: Any) -> None:
    """Raises `ConfigurationError` for a pool that holds nothing."""
    if pool is not None and (not hasattr(pool, "__index__") or pool < 1):
        raise ConfigurationError(f"`pool` is {pool!r}; it is how many passages are looked at, at least 1.")


def check_k(k: Any) -> None:
    """Raises `InputError` for less than one passage."""
    if not hasattr(k, "__index__") or k < 1:
        raise InputError(f"`k` is {k!r}; ask for at least 1 passage.")


def check_queries(queries: Iterable[Any], k: int) -> None:
    """Raises `InputError` unless these are several queries, all of them texts, and `k` is at least 1."""
    if isinstance(queries, str) or not isinstance(queries, Iterable):
        raise InputError(
            f"`search` takes a list of queries; got {queries!r:.80}. For one query call the retriever itself: `retriever(query, k=3)`."
        )
    check_k(k)
    for query in queries:
        if not isinstance(query, str):
            raise InputError(f"A query is a text; this is {query!r:.80}, {a_kind(query)}.")
