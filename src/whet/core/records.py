"""Rows of data and what programs return: `Example`, `Prediction`, `Completions`, `Score`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from whet.core.exchange import Response
from whet.core.meta import Meta, meta_of
from whet.core.score import Score
from whet.core.shadow import shadow
from whet.errors import InputError

__all__ = ["Completions", "Example", "Prediction", "Score"]


class Example(Mapping[str, Any]):
    """A row: named values, of which `with_inputs` says which ones a program is given.

    >>> row = Example(question="2+2?", answer="4").with_inputs("question")
    >>> row.answer, dict(row.inputs()), dict(row.labels())
    ('4', {'question': '2+2?'}, {'answer': '4'})
    """

    __slots__ = ("_input_keys", "_store")

    def __init__(self, /, base: Mapping[str, Any] | Example | None = None, **values: Any) -> None:
        _put_store(self, {**base, **values} if base is not None else values)
        _put_input_keys(self, base._input_keys if isinstance(base, Example) else None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._store[name]
        except KeyError:
            raise AttributeError(f"This {type(self).__name__} has no field `{name}`; it has: {', '.join(self._store) or 'none'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).__slots__ or name in Example.__slots__:
            object.__setattr__(self, name, value)
        else:
            self._store[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._store:
            raise AttributeError(name)
        del self._store[name]

    def __getitem__(self, name: str) -> Any:
        return self._store[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._store[name] = value

    def __delitem__(self, name: str) -> None:
        del self._store[name]

    def __contains__(self, name: object) -> bool:
        return name in self._store

    def __iter__(self) -> Iterator[str]:
        return iter(self._store)

    def __len__(self) -> int:
        return sum(not name.startswith("dspy_") for name in self._store)

    def _shown(self, include_dspy: bool) -> dict[str, Any]:
        return {k: v for k, v in self._store.items() if include_dspy or not k.startswith("dspy_")}

    def keys(self, include_dspy: bool = False) -> list[str]:  # type: ignore[override]
        """Names of the fields, as a list."""
        return list(self._shown(include_dspy))

    def values(self, include_dspy: bool = False) -> list[Any]:  # type: ignore[override]
        """Values of the fields, as a list."""
        return list(self._shown(include_dspy).values())

    def items(self, include_dspy: bool = False) -> list[tuple[str, Any]]:  # type: ignore[override]
        """Pairs of name and value, as a list."""
        return list(self._shown(include_dspy).items())

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a field, or `default`."""
        return self._store.get(key, default)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Example):
            return bool(self._store == other._store)
        return bool(self._store == other) if isinstance(other, dict) else NotImplemented

    def __hash__(self) -> int:
        try:
            return hash(tuple(self._store.items()))
        except TypeError:  # a list, a dict: equal ones must have equal hashes all the same
            return hash(tuple((name, _hash_of(value)) for name, value in self._store.items()))

    def __repr__(self) -> str:
        return f"Example({self._shown(False)}) (input_keys={self._input_keys})"

    def with_inputs(self, *names: str) -> Example:
        """A copy whose inputs are the fields of these names."""
        if odd := [name for name in names if not isinstance(name, str)]:
            raise InputError(f"`with_inputs` takes names, `with_inputs('question', 'context')`; this is {odd[0]!r:.80}.")
        copy = self.copy()
        copy._input_keys = set(names)
        return copy

    def inputs(self) -> Example:
        """The input fields, as an `Example`. Raises `InputError` (a `ValueError`) when nobody said which they are."""
        if self._input_keys is None:
            raise InputError("Inputs have not been set for this example. Say which fields are inputs: `example.with_inputs('question')`.")
        chosen = type(self)({k: v for k, v in self._store.items() if k in self._input_keys})
        chosen._input_keys = self._input_keys
        return chosen

    def input_values(self) -> dict[str, Any]:
        """The input fields as a plain dict, which is what a program is called with."""
        if self._input_keys is None:
            return dict(self.inputs())  # says what is wrong
        return {k: v for k, v in self._store.items() if k in self._input_keys}

    def labels(self) -> Example:
        """The fields that are no inputs, as an `Example`."""
        given = self.inputs()._store
        return type(self)({k: v for k, v in self._store.items() if k not in given})

    def copy(self, /, **values: Any) -> Example:
        """A shallow copy with other values for some fields; input keys are not carried over."""
        return type(self)(self._store, **values)

    def without(self, *names: str) -> Example:
        """A copy that lacks these fields."""
        return type(self)({k: v for k, v in self._store.items() if k not in names})

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data: nested examples, pydantic models, lists and dicts are converted too."""
        return {k: _plain(v) for k, v in self._store.items()}

    toDict = to_dict

    def __getstate__(self) -> dict[str, Any]:
        return {"_store": self._store, "_input_keys": self._input_keys}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)


shadow(Example, *"copy get input_values inputs items keys labels to_dict toDict values with_inputs without".split())


def _hash_of(value: Any) -> int:
    if isinstance(value, list | tuple):
        return hash(tuple(map(_hash_of, value)))
    if isinstance(value, Mapping) and not isinstance(value, Example):
        return hash(frozenset((name, _hash_of(item)) for name, item in value.items()))
    try:
        return hash(frozenset(value) if isinstance(value, set) else value)
    except TypeError:
        return hash(type(value).__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, Example):
        return value.to_dict()
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


# Slots are filled through their descriptors, in a quarter of the time that `object.__setattr__` takes.
_put_store, _put_input_keys = (vars(Example)[slot].__set__ for slot in ("_store", "_input_keys"))


class Prediction(Example):
    """What a program returns: its outputs as fields, what the calls cost, and in `meta` the raw answer.

    With a field `score` it can be compared and added like a number.

    >>> Prediction(answer="4").answer
    '4'
    """

    __slots__ = ("_completions", "_meta", "_usage")

    _completions: Completions | None
    _meta: Meta | Response | tuple[Response, tuple[str, ...]] | None
    _usage: dict[str, Any] | None

    def __init__(self, /, base: Mapping[str, Any] | Example | None = None, **values: Any) -> None:
        _fill(self, {**base, **values} if base is not None else values)

    @classmethod
    def of_response(
        cls, values: dict[str, Any], response: Response, repairs: tuple[str, ...] = (), completions: Completions | None = None
    ) -> Prediction:
        """What a response was read as: the fields, the repairs that reading took, and all samples where there are several."""
        self = cls.__new__(cls)
        _fill(self, values, completions, (response, repairs) if repairs else response)
        return self

    @classmethod
    def from_completions(cls, list_or_dict: list[dict[str, Any]] | dict[str, list[Any]] | Completions, signature: Any = None) -> Prediction:
        """A prediction with the fields of the first completion, and all of them in `completions`."""
        all_of_them = list_or_dict if isinstance(list_or_dict, Completions) else Completions(list_or_dict, signature=signature)
        prediction = cls({name: values[0] for name, values in all_of_them.items()})
        prediction._completions = all_of_them
        return prediction

    @property
    def completions(self) -> Completions:
        """All samples of the answer; one, unless more were asked for."""
        if self._completions is None:
            self._completions = Completions({k: [v] for k, v in self._store.items()})
        return self._completions

    @property
    def meta(self) -> Meta:
        """The raw text, finish reason, reasoning, logprobs, citations, cost and repairs of the call that made this.

        An output of this name comes first; then `get_meta()` tells of the call.
        """
        return cast(Meta, self._store["meta"]) if "meta" in self._store else self.get_meta()

    def get_meta(self) -> Meta:
        """What `meta` is, whatever the outputs are called."""
        if not isinstance(self._meta, Meta):
            # Most programs never look, so it is made when it is first asked for.
            source = self._meta if isinstance(self._meta, tuple) else (self._meta, ())
            self._meta = meta_of(*source)
        return self._meta

    def note_suggestions(self, messages: Iterable[str]) -> None:
        """Add the messages of suggestions that stayed unfulfilled to `meta.suggestions`."""
        self._meta = replace(self.get_meta(), suggestions=(*self.get_meta().suggestions, *messages))

    def get_lm_usage(self) -> dict[str, Any] | None:
        """Tokens by model of the calls that made this prediction, when usage was tracked."""
        return self._usage

    def set_lm_usage(self, usage: dict[str, Any] | None) -> None:
        """Store the usage that `get_lm_usage` returns."""
        self._usage = usage

    def __getstate__(self) -> dict[str, Any]:
        names = ("_store", "_input_keys", "_completions", "_meta", "_usage")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        lines = [f"    {k}={v!r}" for k, v in self._store.items()]
        count = len(self._completions) if self._completions is not None else 1
        if count > 1:
            lines.append(f"    completions=Completions({', '.join(self._store)})")
        body = ",\n".join(lines)
        return f"Prediction(\n{body}\n)" + (f" ({count - 1} completions omitted)" if count > 1 else "")

    def __float__(self) -> float:
        if "score" not in self._store:
            raise InputError("This prediction is no number: it has no field `score`.")
        return float(self._store["score"])

    def _number(self, other: Any) -> float | None:
        if isinstance(other, Prediction):
            return float(other)
        return float(other) if isinstance(other, int | float) else None

    def __add__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else float(self) + number

    __radd__ = __add__

    def __truediv__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else float(self) / number

    def __rtruediv__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else number / float(self)

    def __lt__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else float(self) < number

    def __le__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else float(self) <= number

    def __gt__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else float(self) > number

    def __ge__(self, other: Any) -> Any:
        number = self._number(other)
        return NotImplemented if number is None else float(self) >= number


# A prediction has no input keys: nobody calls these where an output has their name.
shadow(Prediction, "inputs", "labels", "with_inputs", field_wins=True)

_put_completions, _put_meta, _put_usage = (vars(Prediction)[slot].__set__ for slot in ("_completions", "_meta", "_usage"))


def _fill(prediction: Prediction, values: dict[str, Any], completions: Completions | None = None, meta: Any = None) -> None:
    _put_store(prediction, values)
    _put_input_keys(prediction, None)
    _put_completions(prediction, completions)
    _put_meta(prediction, meta)
    _put_usage(prediction, None)


class Completions:
    """Several samples of the same answer, by field.

    >>> both = Completions([{"answer": "4"}, {"answer": "5"}])
    >>> len(both), both.answer, both[1].answer
    (2, ['4', '5'], '5')
    """

    __slots__ = ("_lists", "signature")

    def __init__(self, samples: list[dict[str, Any]] | dict[str, list[Any]], signature: Any = None) -> None:
        if isinstance(samples, dict):
            lists = {name: list(values) for name, values in samples.items()}
        else:
            names = list(samples[0]) if samples else []
            lists = {name: [sample.get(name) for sample in samples] for name in names}
        if len({len(values) for values in lists.values()}) > 1:
            sizes = ", ".join(f"`{name}`: {len(values)}" for name, values in lists.items())
            raise InputError(f"All fields must have the same number of completions, but there are {sizes}.")
        self._lists = lists
        self.signature = signature

    def items(self) -> Any:
        """Pairs of field name and list of values."""
        return self._lists.items()

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, int):
            if not 0 <= key < len(self):
                raise IndexError(f"There are {len(self)} completions, numbered from 0; asked for {key}.")
            return Prediction({name: values[key] for name, values in self._lists.items()})
        return self._lists[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "signature":
            raise AttributeError(name)
        if name in self._lists:
            return self._lists[name]
        raise AttributeError(f"The completions have no field `{name}`; they have: {', '.join(self._lists) or 'none'}")

    def __len__(self) -> int:
        return len(next(iter(self._lists.values()), ()))

    def __contains__(self, name: object) -> bool:
        return name in self._lists

    def __repr__(self) -> str:
        return "Completions(\n" + ",\n".join(f"    {k}={v!r}" for k, v in self._lists.items()) + "\n)"
