"""What may be learnt: in one predictor, and in the values that a program registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from whet.errors import ConfigurationError

__all__ = ["VALUES", "Learnt", "Param"]

# Where the state of a program has its registered values; no predictor can have this path.
VALUES = "(values)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """The learnable part of one predictor: instructions, field descriptions, demos, the model, and what the model is told of tools.

    A value; `evolve` makes a changed one. `lm` is `None` where the ambient model is used. `tools` has the description of each tool under
    its name, that of an argument under `tool.argument`.
    """

    instructions: str
    demos: tuple[Any, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    lm: Any = None
    tools: Mapping[str, str] = field(default_factory=dict)

    def evolve(self, **changes: Any) -> Learnt:
        """A changed copy."""
        return replace(self, **changes)


class Param:
    """A value of a program that optimizers may choose: put it into an attribute, and read its `value` in `forward`.

    With `choices` it is one of these: numbers, texts, `True` and `False`, `None`, or, as a mapping from a name, anything else, such as
    models. Without them it is a text that a model may rewrite; `desc` says what it is for. A value never changes: `program.bind` and
    optimizers put another one into a copy of the program. Files hold the text, or the name of the choice.

    Raises `ConfigurationError` when the value is none of the choices, or neither has choices nor is a text.

    >>> k = Param(3, choices=[1, 3, 10])
    >>> k.value, k.label, k.labels
    (3, '3', ('1', '3', '10'))
    >>> Param("Answer briefly.", desc="how to write").value
    'Answer briefly.'
    """

    __slots__ = ("choices", "desc", "label")

    choices: Mapping[str, Any] | None
    desc: str
    label: str

    def __init__(self, value: Any, *, choices: Sequence[Any] | Mapping[str, Any] | None = None, desc: str = "") -> None:
        named = None if choices is None else _named(choices)
        self._set(choices=named, desc=desc, label=_label_of(value, named))

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A `Param` never changes; put another one into the attribute that holds it, instead of setting `{name}`.")

    @property
    def value(self) -> Any:
        """The text, or what was chosen."""
        return self.label if self.choices is None else self.choices[self.label]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the choices; none where it is a text."""
        return tuple(self.choices or ())

    def at(self, label: str) -> Param:
        """The same with another text, or with the choice of this name. Raises `ConfigurationError` if there is none."""
        if self.choices is not None and label not in self.choices:
            raise ConfigurationError(f"There is no choice {label!r}; there are: {', '.join(map(repr, self.choices))}.")
        new = object.__new__(Param)
        new._set(choices=self.choices, desc=self.desc, label=label)
        return new

    def __deepcopy__(self, memo: Any) -> Param:
        return self

    def __repr__(self) -> str:
        return f"Param({self.label!r}" + (f", choices={list(self.choices)})" if self.choices is not None else ")")


def _named(choices: Sequence[Any] | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(choices, Mapping):
        named = {str(name): value for name, value in choices.items()}
    elif isinstance(choices, str) or not all(c is None or isinstance(c, str | int | float | bool) for c in choices):
        raise ConfigurationError(
            f"`choices` is {choices!r}; give a list of numbers or texts, or a dict from a name to what stands for it: "
            "`choices={'small': lm_a, 'large': lm_b}`."
        )
    else:
        named = {str(value): value for value in choices}
    if len(named) != len(choices) or len(named) < 2:
        raise ConfigurationError(f"`choices` is {choices!r}; give two at least, each with a name of its own.")
    return MappingProxyType(named)


def _label_of(value: Any, choices: Mapping[str, Any] | None) -> str:
    if choices is None:
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"`Param({value!r})` needs `choices`; only a text may do without: a model rewrites it.")
        return value
    found = [label for label, choice in choices.items() if choice is value] or [
        label for label, choice in choices.items() if type(choice) is type(value) and choice == value
    ]
    if not found and isinstance(value, str) and value in choices:
        found = [value]
    if not found:
        raise ConfigurationError(f"`Param({value!r})` is none of its choices: {', '.join(map(repr, choices))}.")
    return found[0]
