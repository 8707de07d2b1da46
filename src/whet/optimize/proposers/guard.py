"""What no proposal may be: so long that every run pays for it, or copied from the rows that it is learnt from or judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from whet.datasets.leaks import find_copied
from whet.optimize.search import Search

__all__ = ["Guard"]

_LONGEST = 20_000
# Words that stand in so many rows are a rule, not a row.
_COMMON = 3


@dataclass(kw_only=True)
class Guard:
    """Looks at proposed texts before anything is run with them; `words` in a row that a row of the search holds, too, are a copy of it."""

    search: Search
    words: int = 8

    def trouble(self, text: str, before: str = "") -> str:
        """Why this text cannot be used, or nothing; what stood in the text `before` it may stay."""
        if len(text) > _LONGEST:
            return f"the proposal has {len(text)} characters; {_LONGEST} are allowed"
        copied = find_copied(text, self._row_texts, length=self.words) if self.words else []
        kept = before.lower()
        own = [c for c in copied if c.span not in kept and sum(c.span in o.span or o.span in c.span for o in copied) < _COMMON]
        return f"the proposal copies a training row: {own[0].span!r}" if own else ""

    @cached_property
    def _row_texts(self) -> list[str]:
        rows = dict.fromkeys([*self.search.train, *self.search.val])
        return [" ".join(map(str, row.without().values())) for row in rows]
