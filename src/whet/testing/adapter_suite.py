"""How often each adapter's answers can be read, for any model, on more than sixty signature shapes.

For a real model: `print(adapter_suite(whet.LM("openai/gpt-4o-mini")))`; it makes one call per adapter and shape. Without a model the
answers are written by the adapters themselves and disturbed as models do it, which tells how tolerant each format is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.adapters.baml import BAMLAdapter
from whet.adapters.base import Adapter
from whet.adapters.chat import ChatAdapter
from whet.adapters.json import JSONAdapter
from whet.adapters.xml import XMLAdapter
from whet.core.context import context
from whet.core.exchange import Choice
from whet.errors import AdapterParseError, LMError, SignatureError, WhetError
from whet.modules.predict import Predict
from whet.testing.adapter_shapes import Shape, shapes
from whet.testing.noise import NOISES

__all__ = ["AdapterReport", "AdapterScore", "adapter_suite"]


@dataclass(kw_only=True)
class AdapterScore:
    """What came of one adapter's answers: how many were tried, read, right (where that is known), and repaired; why the others failed."""

    adapter: str
    tried: int = 0
    read: int = 0
    right: int = 0
    repaired: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The share of answers that could be read, 0 to 1."""
        return self.read / self.tried if self.tried else 0.0


@dataclass(frozen=True, kw_only=True)
class AdapterReport:
    """The scores of all adapters; printed as a table."""

    scores: tuple[AdapterScore, ...]
    shapes: int

    def __getitem__(self, adapter: str) -> AdapterScore:
        return next(score for score in self.scores if score.adapter == adapter)

    def __str__(self) -> str:
        head = f"{'adapter':<16}{'tried':>7}{'read':>9}{'right':>9}{'repaired':>10}   most frequent failure"
        return "\n".join([f"{self.shapes} signature shapes", head, *map(_row, self.scores)])


def _row(score: AdapterScore) -> str:
    share = f"{score.rate:>8.1%} {score.right / score.tried if score.tried else 0:>8.1%} {score.repaired / max(1, score.tried):>9.1%}"
    kinds = Counter(why for _, why in score.failures).most_common(1)
    worst = f"{kinds[0][1]} x {kinds[0][0][:60]}" if kinds else "none"
    skipped = f" ({score.skipped} shapes not possible)" if score.skipped else ""
    return f"{score.adapter:<16}{score.tried:>7} {share}   {worst}{skipped}"


def adapter_suite(
    lm: Any = None,
    *,
    adapters: Sequence[Adapter] | None = None,
    of: Iterable[Shape] | None = None,
    noises: Mapping[str, Callable[[str], str]] = NOISES,
) -> AdapterReport:
    """Try adapters on signature shapes: those of whet and all its shapes unless given.

    With a model, each shape is asked once in each format; a value counts as right when it is the one that the input states. Without one,
    each adapter reads its own answers under each of the `noises`.
    """
    tried = [ChatAdapter(), JSONAdapter(), XMLAdapter(), BAMLAdapter()] if adapters is None else list(adapters)
    known = list(shapes() if of is None else of)
    scores = [_scored(adapter, known, lm, noises) for adapter in tried]
    return AdapterReport(scores=tuple(scores), shapes=len(known))


def _scored(adapter: Adapter, known: list[Shape], lm: Any, noises: Mapping[str, Callable[[str], str]]) -> AdapterScore:
    score = AdapterScore(adapter=type(adapter).__name__)
    for shape in known:
        try:
            adapter.plan(shape.signature)
        except SignatureError:
            score.skipped += 1
            continue
        if lm is not None:
            _note(score, shape, "", lambda shape=shape: _asked(adapter, shape, lm))  # type: ignore[misc]
            continue
        clean = adapter.format_assistant_message_content(shape.signature, shape.answer)
        for name, noise in noises.items():
            text = noise(clean)
            _note(score, shape, name, lambda shape=shape, text=text: _read(adapter, shape, text))  # type: ignore[misc]
    return score


def _read(adapter: Adapter, shape: Shape, text: str) -> tuple[dict[str, Any], bool]:
    reading = adapter.read(shape.signature, Choice(text=text))
    return reading.values, bool(reading.repairs)


def _asked(adapter: Adapter, shape: Shape, lm: Any) -> tuple[dict[str, Any], bool]:
    with context(lm=lm):
        prediction = Predict(shape.signature, adapter=adapter)(**shape.inputs)
    return dict(prediction), bool(prediction.meta.repairs)


def _note(score: AdapterScore, shape: Shape, noise: str, read: Callable[[], tuple[dict[str, Any], bool]]) -> None:
    score.tried += 1
    where = f"{shape.name}{f' / {noise}' if noise else ''}"
    try:
        values, repaired = read()
    except LMError:
        raise
    except AdapterParseError as error:
        score.failures.append((where, (error.reason or str(error)).splitlines()[0]))
        return
    except WhetError as error:
        score.failures.append((where, type(error).__name__))
        return
    score.read += 1
    score.repaired += repaired
    score.right += values == shape.answer
