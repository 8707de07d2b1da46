"""Demos: which can be shown, in which order, and a cache of their rendered form that notices every change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whet.adapters.budget import message_tokens
from whet.core.messages import Message
from whet.core.signature import Signature
from whet.core.types.history import History

__all__ = ["Demo", "DemoCache", "sort_demos"]

_logger = logging.getLogger(__name__)
_RENDERINGS_KEPT = 64
_ATOMS = frozenset({str, int, float, bool, type(None), bytes})


@dataclass(frozen=True, slots=True)
class Demo:
    """An example to show; `complete` when no field of the signature is missing."""

    values: Mapping[str, Any]
    complete: bool


def sort_demos(signature: Signature, demos: Sequence[Mapping[str, Any]]) -> tuple[list[Demo], int]:
    """The demos that can be shown, incomplete ones first, and how many cannot: those without any input or without any output."""
    complete, incomplete, dropped = [], [], 0
    # A conversation before the example is no part of it.
    names = [f.name for f in signature.fields.values() if not f.train_only and f.annotation is not History]
    for demo in demos:
        if all(name in demo and demo[name] is not None for name in names):
            complete.append(Demo(demo, True))
        elif any(n in demo for n in signature.input_fields) and any(demo.get(n) is not None for n in signature.output_fields):
            incomplete.append(Demo(demo, False))
        else:
            dropped += 1
    return [*incomplete, *complete], dropped


class DemoCache:
    """Keeps rendered demos under a fingerprint of their values, so that a demo changed in place is rendered anew."""

    __slots__ = ("_kept", "_signature", "_told")

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._kept: dict[Hashable, tuple[tuple[Message, ...], int]] = {}
        self._told = False

    def messages(
        self, demos: Sequence[Mapping[str, Any]], render: Callable[[list[Demo]], list[Message]], budget: int | None = None
    ) -> tuple[tuple[Message, ...], int]:
        """The demos' messages, rendered only if these values were not rendered before, and how many demos are not among them.

        `budget` is how many tokens (estimated) they may take: each that still fits is shown, complete demos and first ones before others.
        """
        if not demos:
            return (), 0
        key = _fingerprint(demos)
        found = self._kept.get(key) if key is not None else None
        if found is None:
            shown, dropped = sort_demos(self._signature, demos)
            self._report(dropped)
            messages, over = _within(tuple(render(shown)), sum(not demo.complete for demo in shown), budget)
            if over:
                _logger.warning("%d demo(s) of `%s` are not shown: the budget is %d tokens.", over, self._signature.signature, budget)
            found = messages, dropped + over
            if key is not None:
                while len(self._kept) >= _RENDERINGS_KEPT:
                    self._kept.pop(next(iter(self._kept)), None)
                self._kept[key] = found
        return found

    def _report(self, dropped: int) -> None:
        if dropped and not self._told:
            self._told = True
            _logger.warning(
                "%d demo(s) of `%s` are not shown: each needs at least one input and one output.", dropped, self._signature.signature
            )


def _within(messages: tuple[Message, ...], incomplete: int, budget: int | None) -> tuple[tuple[Message, ...], int]:
    """The pairs that fit into the budget, in their order, and how many do not."""
    pairs = [messages[i : i + 2] for i in range(0, len(messages), 2)]
    if budget is None:
        return messages, 0
    kept, spent = set(), 0
    for place in (*range(incomplete, len(pairs)), *range(incomplete)):
        cost = sum(map(message_tokens, pairs[place]))
        if spent + cost <= budget:
            spent += cost
            kept.add(place)
    return tuple(m for place, pair in enumerate(pairs) if place in kept for m in pair), len(pairs) - len(kept)


def _fingerprint(demos: Sequence[Mapping[str, Any]]) -> Hashable | None:
    key: list[Any] = []
    changeable: list[Any] = []
    for demo in demos:
        store = demo._store if hasattr(demo, "_store") else demo
        for name, value in store.items():
            key.append(name)
            if type(value) in _ATOMS:
                key.append(value)
            else:
                changeable.append(value)
                key.append(type(value))
        key.append(None)
    if not changeable:
        return tuple(key)
    serialized = _serialized(changeable)
    return None if serialized is None else (tuple(key), serialized)


def _serialized(values: list[Any]) -> bytes | None:
    from pydantic_core import PydanticSerializationError, to_json  # noqa: PLC0415 - only programs with structured demos pay for it

    try:
        return to_json(values, fallback=_reference)
    except (PydanticSerializationError, ValueError, RecursionError):
        return None


def _reference(value: Any) -> Any:
    # Media stand for themselves by their digest; what nobody knows is rendered anew each time.
    if hasattr(type(value), "__whet_schema__"):
        return value.dumped()
    raise ValueError
