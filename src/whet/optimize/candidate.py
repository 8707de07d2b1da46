"""A candidate: the learnt parts of every predictor, where they come from, and a hash of their content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from whet.core.param import Learnt
from whet.core.records import Example
from whet.optimize.fingerprint import Unstable, fingerprint

__all__ = ["Candidate", "content_hash", "labels_of", "row_hash"]


def content_hash(value: Any) -> str:
    """A short hash of plain data, equal for equal content on every machine.

    >>> content_hash({"b": 1, "a": 2}) == content_hash({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, default=_plain, ensure_ascii=False, separators=(",", ":"))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    for method in ("model_dump", "dump_state"):
        if callable(dump := getattr(value, method, None)):
            return dump()
    try:
        return fingerprint(value).hex()  # a `repr` may leave out what an image shows, and have an address in it
    except Unstable:
        return repr(value)


def row_hash(row: Any) -> str:
    """The hash of an example: its fields and which of them are inputs."""
    if isinstance(row, Example):
        return content_hash([dict(row), sorted(row._input_keys or ())])
    return content_hash(row)


def _param_content(param: Learnt) -> list[Any]:
    demos = [dict(demo) if isinstance(demo, Mapping) else demo for demo in param.demos]
    return [param.instructions, demos, dict(param.descriptions), param.lm, *([dict(param.tools)] if param.tools else [])]


def labels_of(program: Any) -> dict[str, str]:
    """What a program registers, as a candidate holds it."""
    return {name: param.label for name, param in program.registered().items()}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One set of learnt parts. Two candidates are equal when their content is, wherever it comes from.

    `values` are the texts, or names of choices, of what the program registers with `whet.Param`.
    `parents` are the hashes of the candidates it was made from, `note` says how, in a few words; `seed` is its number where a recipe
    numbers its candidates.

    >>> import whet
    >>> as_given = Candidate(params=whet.Predict("question -> answer").params(), note="as given")
    >>> brief = as_given.with_instructions({"self": "Be brief."}, "shorter")
    >>> brief == as_given, brief.parents == (as_given.hash,), brief.params["self"].instructions
    (False, True, 'Be brief.')
    """

    params: Mapping[str, Learnt]
    values: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    note: str = ""
    seed: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    @cached_property
    def hash(self) -> str:
        """The hash of the content, 16 hex digits."""
        params = {name: _param_content(param) for name, param in self.params.items()}
        return content_hash([params, dict(self.values)] if self.values else params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def evolve(
        self, params: Mapping[str, Learnt], note: str = "", *, seed: int | None = None, parents: Iterable[Candidate] = ()
    ) -> Candidate:
        """A candidate made from this one, with other parts for some predictors."""
        made_from = (self.hash, *(p.hash for p in parents if p.hash != self.hash))
        return Candidate(params={**self.params, **params}, values=self.values, parents=made_from, note=note, seed=seed)

    def with_values(self, values: Mapping[str, str], note: str = "") -> Candidate:
        """The same with other texts or choices for some of the values that the program registers."""
        return replace(self.evolve({}, note), values={**self.values, **values})

    def with_demos(self, demos: Mapping[str, Iterable[Any]], note: str = "", *, seed: int | None = None) -> Candidate:
        """The same with other demos for some predictors."""
        return self.evolve({name: self.params[name].evolve(demos=tuple(d)) for name, d in demos.items()}, note, seed=seed)

    def with_instructions(self, texts: Mapping[str, str], note: str = "", *, seed: int | None = None) -> Candidate:
        """The same with other instructions for some predictors."""
        return self.evolve({name: self.params[name].evolve(instructions=t) for name, t in texts.items()}, note, seed=seed)

    def __repr__(self) -> str:
        return f"Candidate({self.hash[:6]}{', ' + self.note if self.note else ''})"
