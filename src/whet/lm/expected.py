"""What a call will probably take, from what those before it took: what a budget holds for it while it is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from whet.core.exchange import Request, Usage
from whet.lm.facts import Price
from whet.lm.sampling import LIMITS

__all__ = ["Amount", "Asked", "Expectation", "asked_of"]

# Of a call of which nothing is known: few texts have more tokens per letter, and few answers are longer.
TOKENS_PER_LETTER: Final = 0.5
TOKENS_AROUND: Final = 20
LONGEST_ANSWER: Final = 4000


@dataclass(frozen=True, slots=True)
class Amount:
    """So many tokens, and so many US dollars."""

    tokens: float = 0.0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be seen of a call before it is made: letters of its prompt, and the most tokens that its answers can have."""

    letters: int
    samples: int
    longest: int
    price: Price | None


def asked_of(request: Request | Sequence[str], price: Price | None) -> Asked:
    """What can be seen of a request, or of texts to embed.

    >>> asked_of(["four", "five!"], None)
    Asked(letters=9, samples=0, longest=0, price=None)
    """
    if not isinstance(request, Request):
        return Asked(sum(map(len, request)), 0, 0, price)
    limits = [limit for name in LIMITS if isinstance(limit := request.options.get(name), int) and limit > 0]
    return Asked(sum(len(message.text) for message in request.messages), request.n, min(limits, default=LONGEST_ANSWER), price)


class Expectation:
    """Averages of the calls that were answered: tokens per letter asked, and per sample answered."""

    __slots__ = ("calls", "letters", "read", "samples", "written")

    def __init__(self) -> None:
        self.calls = self.letters = self.read = self.samples = self.written = 0

    def learn(self, asked: Asked, usage: Usage) -> None:
        """A call was answered."""
        self.calls += 1
        self.letters += asked.letters
        self.read += usage.input_tokens
        self.samples += asked.samples
        self.written += usage.output_tokens

    def of(self, asked: Asked) -> Amount:
        """What a call will take as those before it did; with none before it, the most."""
        if not self.calls:
            return _most(asked)
        read = asked.letters * self.read / self.letters if self.letters else self.read / self.calls
        written = asked.samples * self.written / self.samples if self.samples else asked.samples * asked.longest
        return _amount(read, written, asked.price)

    def most(self, asked: Asked) -> Amount:
        """What a call will hardly exceed."""
        most, usual = _most(asked), self.of(asked)
        return Amount(max(most.tokens, usual.tokens), max(most.usd, usual.usd))


def _most(asked: Asked) -> Amount:
    return _amount(TOKENS_AROUND + asked.letters * TOKENS_PER_LETTER, asked.samples * asked.longest, asked.price)


def _amount(read: float, written: float, price: Price | None) -> Amount:
    usd = 0.0 if price is None else price.cost(Usage(input_tokens=round(read), output_tokens=round(written)))
    return Amount(read + written, usd or 0.0)
