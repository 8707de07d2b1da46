"""A contest: challengers against one incumbent on the same rows; who does no better on the first few is run no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.optimize.candidate import Candidate
from whet.optimize.paired import Difference, paired
from whet.optimize.search import Search
from whet.optimize.strand import Handle, Strand

__all__ = ["Contest", "Outcome", "difference"]

CONTINUE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a contest ended: the challengers, best first, each with its difference to the incumbent on the rows both were run on.

    `runs` is how many program runs it took at most: results that were known before are counted too.
    """

    base: Candidate
    ranking: tuple[tuple[Candidate, Difference], ...]
    rows: tuple[Any, ...]
    runs: int

    def winner(self, least: float) -> Candidate | None:
        """The best challenger, if it is better than the incumbent with at least this probability."""
        if not self.ranking:
            return None
        candidate, found = self.ranking[0]
        return candidate if found.better() > least else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """All challengers run on the first `first` rows; those that did better than the incumbent there on `more` rows beyond.

    Each goes on as soon as its own rows are in, so that nobody waits for the slowest.
    """

    search: Search
    first: int = 4
    more: int = 8

    def cost(self, challengers: int) -> int:
        """How many program runs this takes at most: where all challengers go on."""
        return (challengers + 1) * (self.first + self.more)

    def likely(self, challengers: int) -> int:
        """About how many it takes: half of the challengers go on."""
        return challengers * self.first + (challengers + 1) // 2 * self.more + self.first + self.more

    def run(self, base: Candidate, makers: Sequence[Any], rows: Sequence[Any]) -> Strand[Outcome]:
        """Hold it. `makers` are candidates, or strands that make one or `None`."""
        search, early, late = self.search, rows[: self.first], rows[: self.first + self.more]
        judged = [search.strands.start(_measured(search, base, part)) for part in (early, late)]
        entered = yield [self._entered(base, maker, judged[0], early, late) for maker in makers]
        yield judged[1]
        runs = {c: part for c, part in entered if c is not None and c != base}
        found = [(c, difference(search, c, base, part)) for c, part in runs.items()]
        ranking = tuple(sorted(found, key=lambda f: -f[1].shrunk()))
        return Outcome(base=base, ranking=ranking, rows=tuple(late), runs=len(late) + sum(map(len, runs.values())))

    def _entered(self, base: Candidate, maker: Any, judged: Handle, early: Sequence[Any], late: Sequence[Any]) -> Strand[Any]:
        """The candidate, once it is made and has been run as far as it deserves, and the rows that it was run on."""
        candidate = maker if isinstance(maker, Candidate) else (yield maker)
        if candidate is None:
            return None, early
        yield [judged, *self.search.scores(self.search.add(candidate), early)]
        if difference(self.search, candidate, base, early).mean >= CONTINUE:
            yield self.search.scores(candidate, late)
            return candidate, late
        return candidate, early


def difference(search: Search, a: Candidate, b: Candidate, rows: Sequence[Any]) -> Difference:
    """A against B on these rows, as far as both were run on them."""
    return paired(_values(search, a, rows), _values(search, b, rows))


def _values(search: Search, candidate: Candidate, rows: Sequence[Any]) -> list[float | None]:
    found = (search.known(candidate, row) for row in rows)
    return [None if r is None else r.value for r in found]


def _measured(search: Search, candidate: Candidate, rows: Sequence[Any]) -> Strand[None]:
    yield search.scores(candidate, rows)
