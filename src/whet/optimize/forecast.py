"""What a run will cost, said before it: bounds on program runs, calls, tokens and money, and whether the caps allow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.core.context import current
from whet.errors import ConfigurationError, WhetError
from whet.optimize.budget import Budget

__all__ = ["Bounds", "Forecast", "forecast"]

# Characters per token of English, and how much longer a prompt gets when it is full of demos.
_CHARACTERS, _ANSWER = 4, 40
_SAMPLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many program runs a recipe takes, how many calls for proposals, and the most demos it puts into a prompt.

    `useful` is the number of runs from which anything can come of it.
    """

    runs: tuple[int, int]
    asks: tuple[int, int] = (0, 0)
    demos: int = 0
    useful: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Lower and upper bounds. `usd` is `None` where a price is not known; tokens are estimated from the rows, four characters each.

    Programs that call a predictor several times, or not at all, shift the bounds: they count one call per predictor and run.
    """

    optimizer: str
    runs: tuple[int, int]
    calls: tuple[int, int]
    tokens: tuple[int, int]
    usd: tuple[float, float] | None
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        money = "price unknown" if self.usd is None else f"${self.usd[0]:.3f} to ${self.usd[1]:.3f}"
        lines = [
            f"{self.optimizer}: {self.runs[0]} to {self.runs[1]} program runs, {self.calls[0]} to {self.calls[1]} model calls, "
            f"about {self.tokens[0]:,} to {self.tokens[1]:,} tokens, {money}"
        ]
        return "\n".join([*lines, *(f"- {warning}" for warning in self.warnings)])


def forecast(name: str, bounds: Bounds, student: Any, train: Sequence[Any], budget: Budget) -> Forecast:
    """The forecast of a recipe with these bounds. Raises `ConfigurationError` where the caps leave too little to be of use."""
    steps = max(1, len(student.named_predictors()))
    short, row = _prompt_tokens(student, train)
    full = short + bounds.demos * (row + _ANSWER)
    calls = (bounds.runs[0] * steps + bounds.asks[0], bounds.runs[1] * steps + bounds.asks[1])
    tokens = (calls[0] * (short + _ANSWER), calls[1] * (full + _ANSWER))
    usd = _money(student, tokens, calls)
    least = bounds.useful * steps
    needed = {
        "max_calls": (least, budget.max_calls, calls),
        "max_tokens": (least * (short + _ANSWER), budget.max_tokens, tokens),
        "max_usd": (None if usd is None else usd[0] * least / max(1, calls[0]), budget.max_usd, usd),
    }
    warnings = []
    for cap, (minimum, value, range_) in needed.items():
        if value is None:
            continue
        if minimum is None or range_ is None:
            warnings.append(f"`{cap}` cannot be checked: the price of the model is not known. Give the LM a `price=`.")
        elif value < minimum:
            raise ConfigurationError(f"`{cap}={value:g}` cannot fit: {name} needs at least {minimum:g} before anything can come of it.")
        elif value < range_[1]:
            warnings.append(f"`{cap}={value:g}` may end it early: it may take up to {range_[1]:g}.")
    if bounds.asks[1] and bounds.asks[1] < _FEW:
        warnings.append(f"This budget buys at most {bounds.asks[1]} proposals; with fewer than {_FEW} there is little to choose from.")
    return Forecast(optimizer=name, runs=bounds.runs, calls=calls, tokens=tokens, usd=usd, warnings=tuple(warnings))


_FEW = 3


def _prompt_tokens(student: Any, train: Sequence[Any]) -> tuple[int, int]:
    """Tokens of the shortest prompt and of one row, from a few rows."""
    rows = list(train[:_SAMPLE])
    row = sum(len(str(v)) for r in rows for v in dict(r).values()) // max(1, len(rows)) // _CHARACTERS
    prompts = []
    for predictor in student.predictors():
        signature = predictor.signature
        prompts.append((len(signature.instructions) + 120 * len(signature.fields) + 200) // _CHARACTERS + row)
    return max(prompts, default=row), row


def _money(student: Any, tokens: tuple[int, int], calls: tuple[int, int]) -> tuple[float, float] | None:
    lm = next((p.lm for p in student.predictors() if p.lm is not None), None) or current().lm
    price = _price_of(lm)
    if price is None:
        return None
    given = [(t - c * _ANSWER, c * _ANSWER) for t, c in zip(tokens, calls, strict=True)]
    low, high = ((i * price.input + o * price.output) / 1e6 for i, o in given)
    return low, high


def _price_of(lm: Any) -> Any:
    from whet.lm.facts import facts_of  # noqa: PLC0415 - a table that only a forecast in dollars needs

    own = getattr(lm, "price", None)
    if own is not None or lm is None:
        return own
    try:
        return facts_of(lm.model).price
    except (WhetError, AttributeError):
        return None
