"""Plans: which candidate is run on which rows. Always on the same rows in the same order, so that every comparison is paired.

A plan is a strand that is given candidates (or strands that make them) and rows, and returns the candidates, best first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from whet.core.wording import counted
from whet.optimize.candidate import Candidate
from whet.optimize.run import ranked
from whet.optimize.search import Search, Task
from whet.optimize.store import mean_of
from whet.optimize.strand import Strand

__all__ = ["full", "halving", "halving_cost", "one_by_one", "rows_in_order", "rows_to_show", "shown_apart"]


def rows_in_order(search: Search, name: str = "rows") -> list[Any]:
    """The rows to judge by in an order that is the same for every candidate, and another one for another seed."""
    rows = list(search.val)
    search.rng(name).shuffle(rows)
    return rows


def rows_to_show(search: Search, judged: Sequence[Any]) -> list[Any]:
    """Rows whose runs a writer may read: those that candidates are judged by, where they are to be learnt from too, else training rows."""
    train = dict.fromkeys(search.train)
    if found := [row for row in judged if row in train]:
        return found
    rows = list(train)
    search.rng("shown").shuffle(rows)
    return rows


def shown_apart(task: Task, most: int) -> int:
    """How many further rows a candidate has to be run on so that a writer has something to read: none where train and val share rows."""
    train = set(task.train)
    return 0 if any(row in train for row in task.val) else min(most, len(train))


def _made(search: Search, maker: Candidate | Strand[Candidate], rows: Sequence[Any]) -> Strand[Candidate]:
    """The candidate, once it is there and has been run on these rows."""
    candidate = maker if isinstance(maker, Candidate) else (yield maker)
    search.add(candidate)
    yield search.scores(candidate, rows)
    return candidate


def full(search: Search, makers: Iterable[Any], rows: Sequence[Any]) -> Strand[list[Candidate]]:
    """Every candidate on every row, all side by side."""
    candidates = yield [_made(search, maker, rows) for maker in makers]
    return _ranked(search, list(dict.fromkeys(candidates)), rows)


def one_by_one(search: Search, makers: Iterable[Any], rows: Sequence[Any], stop_at: float | None = None) -> Strand[list[Candidate]]:
    """Every candidate on every row, one candidate after the other; ends early at a mean (in percent) of `stop_at`."""
    done: list[Candidate] = []
    best = -1.0
    for maker in makers:
        candidate = yield from _made(search, maker, rows)
        done.append(candidate)
        mean = mean_of((yield search.scores(candidate, rows)))
        search.announce(candidate, rows)
        if mean > best:
            best = mean
            search.mark(candidate, mean)
        if stop_at is not None and 100 * mean >= stop_at:
            search.stop("stop_at_score")
            break
    return _ranked(search, done, rows)


def halving(search: Search, makers: Sequence[Any], rows: Sequence[Any], *, first: int = 8) -> Strand[list[Candidate]]:
    """Successive halving (Karnin et al. 2013; Jamieson and Talwalkar 2016): all on `first` rows, the better half on twice as many, and so
    on; the winner on all rows. With few candidates the first round is longer, so that the last duel has half of the rows at least."""
    size = _first_size(len(makers), len(rows), first)
    alive = yield [_made(search, maker, rows[:size]) for maker in makers]
    alive = _ranked(search, list(dict.fromkeys(alive)), rows[:size])
    out: list[Candidate] = []
    while size < len(rows) and len(alive) > 1:
        search.mark(alive[0], search.trial(alive[0], rows[:size]).score)
        keep = len(alive) // 2
        for loser in alive[keep:]:
            search.decide("drop", loser, f"not among the best {keep} of {len(alive)} on {counted(size, 'row')}")
        alive, out = alive[:keep], alive[keep:] + out
        if keep == 1:
            break
        size = min(2 * size, len(rows))
        yield [handle for candidate in alive for handle in search.scores(candidate, rows[:size])]
        alive = _ranked(search, alive, rows[:size])
    yield search.scores(alive[0], rows)
    search.mark(alive[0], search.trial(alive[0], rows).score)
    search.announce(alive[0], rows)
    return alive + out


def _first_size(candidates: int, rows: int, first: int) -> int:
    return min(rows, max(first, rows >> max(1, candidates.bit_length() - 1)))


def halving_cost(candidates: int, rows: int, first: int = 8) -> int:
    """The most program runs that halving takes.

    >>> halving_cost(19, 100), halving_cost(2, 100)
    (388, 150)
    """
    size = _first_size(candidates, rows, first)
    runs, alive = candidates * size, candidates
    while size < rows and alive > 1:
        alive //= 2
        if alive == 1:
            break
        grown = min(2 * size, rows)
        runs, size = runs + alive * (grown - size), grown
    return runs + rows - size


def _ranked(search: Search, candidates: Sequence[Candidate], rows: Sequence[Any]) -> list[Candidate]:
    return [trial.candidate for trial in ranked([search.trial(candidate, rows) for candidate in candidates])]
