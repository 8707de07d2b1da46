"""The course of `Auto`: gather, race demos, then contests of challengers against the incumbent, a few of them under way at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

from whet.core.wording import counted
from whet.optimize.candidate import Candidate
from whet.optimize.contest import Contest, Outcome, difference
from whet.optimize.proposers.bootstrapped import Bootstrapper, demos_of
from whet.optimize.proposers.demo_sets import DemoPool, kinds_up_to
from whet.optimize.proposers.labeled import labeled
from whet.optimize.proposers.reflect import Reflect
from whet.optimize.search import Search
from whet.optimize.store import Result, Subject
from whet.optimize.strand import Handle, Strand, finished

__all__ = ["Course"]

# Shares of the budget and sizes, chosen on one set of simulated surfaces and judged on another.
BOOT, LOOK_FIRST, LOOK = 32, 16, 10
DEMO_SHARE, UNSEEN_SHARE = 0.25, 0.10
FIRST, MORE = 4, 8
SHIFT = 6
PROPOSALS, CARRIED, PATIENCE = 6, 2, 8
PROMOTE, PROMISING = 0.60, 0.55
# Nobody goes on where, after so many contests, it is less probable than this that the best is better than the program as given.
HOPE, HOPE_AFTER, HOPE_ROWS = 0.85, 2, 12
# Nor where the program as given was right on so many rows.
CEILING = 20
SOON, BACKGROUND = -0.5, 5.0
# A contest under way: how it is held, how many challengers there are, and the handle of its outcome.
Held: TypeAlias = tuple[Contest, int, Handle]


class Course:
    """One run of `Auto`: the incumbent, the rows, what is left of the budget.

    Contests overlap, so that no place is idle while the last rows of one come in. They are concluded in the order in which they were
    started, and what is planned depends on conclusions only: the course is the same for any number of places.
    """

    def __init__(self, search: Search, recipe: Any, model: Any) -> None:
        self.search, self.recipe = search, recipe
        self.lanes: int = recipe.contests
        self.rows, self.train, self.unseen = self._split()
        self.model = model
        self.looked = self.started = self.looks = self.at_risk = 0
        self.notes = self._writer()  # what was refused; only read and changed between contests
        self.merger = self._writer()
        self.tried: set[str] = set()
        self.contest = Contest(search=search, first=FIRST, more=MORE)
        self.incumbent = search.baseline
        self.podium: list[Candidate] = []
        self.carried: list[Any] = []
        self.planned = 2 * len(self.unseen) + search.rollouts
        self.kinds = kinds_up_to(recipe.max_demos)
        self.rng = search.rng("course")

    def _writer(self, notes: Reflect | None = None) -> Reflect:
        """A writer of its own for each wave of proposals, who knows what is known now: strands side by side share nothing that changes."""
        search, perfect, looks = self.search, self.recipe.perfect_score, self.looks
        writer = Reflect(search=search, model=self.model, perfect=perfect, metric=search.task.metric, count=looks * PROPOSALS)
        writer.blame.turns = looks
        if notes is not None:
            writer.refused = {name: list(lines) for name, lines in notes.refused.items()}
            writer.blame.unanswered = notes.blame.unanswered
            self.looks += 1
        return writer

    def _split(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Rows to judge by, rows to learn from, and rows that nothing may look at."""
        search, recipe = self.search, self.recipe
        train = list(dict.fromkeys(search.train))
        search.rng("train").shuffle(train)
        if search.val == search.train:
            half = (len(train) + 1) // 2
            train, val = train[:half], train[half:] or train
        else:
            val = list(search.val)
            search.rng("rows").shuffle(val)
        count = int(min(40, 0.4 * len(train), UNSEEN_SHARE * recipe.max_runs)) if recipe.certify else 0
        return val, train[count:], train[:count]

    def seen_gain(self, winner: Candidate) -> float:
        """How much better than the program as given the winner was on the rows of the search."""
        means = [self.search.trial(c, self.rows).score for c in (winner, self.search.baseline)]
        return 0.0 if means[0] is None or means[1] is None else means[0] - means[1]

    @property
    def left(self) -> int:
        """Program runs that are likely to be left."""
        return int(self.recipe.max_runs - self.planned)

    @property
    def sure(self) -> int:
        """Program runs that are left even if all challengers under way go on."""
        return self.left - self.at_risk

    # -- the course ---------------------------------------------------------------------------------------------------------------------

    def run(self) -> Strand[Candidate]:
        """From the first wave to the last contest; it ends earlier where there is nothing to gain."""
        for row in self.unseen:  # what the certificate compares with can be run whenever a place is free
            self.search.score(self.search.baseline, row, rank=BACKGROUND)
        shown = yield from self._gather()
        first = self.search.strands.start(self._proposed(self._writer(self.notes), self.incumbent, shown, self.lanes * PROPOSALS))
        finals = yield from self._race_demos()
        scores = [r.value for _, r in shown] + list(self.search.trial(self.search.baseline, self.rows).scores)
        if len(scores) >= CEILING and all(score is not None and score >= self.recipe.perfect_score for score in scores):
            self.search.end("no_headroom", f"the program as given was right on all of {counted(len(scores), 'row')}", self.search.baseline)
            return self.search.baseline
        writer, fresh = yield first
        yield from self._contests(deque(finals), deque(finished((writer, fresh[i :: self.lanes])) for i in range(self.lanes)))
        return self.incumbent

    def _contests(self, under_way: deque[Held], ideas: deque[Handle]) -> Strand[None]:
        """Start contests while the budget lasts and anything comes of them; each has ideas that were asked for a few contests before."""
        barren = held_before = 0
        while barren < PATIENCE:
            hopeless = held_before >= HOPE_AFTER and self._doubtful()
            while not hopeless and ideas and len(under_way) < self.lanes and self._affordable():
                writer, fresh = yield ideas.popleft()
                self.notes.blame.unanswered = max(self.notes.blame.unanswered, writer.blame.unanswered)
                started, looking = self._start(fresh, known=len(ideas))
                under_way += [started] if started is not None else []
                ideas += [looking] if looking is not None else []
            if not under_way:
                break
            contest, challengers, held = under_way.popleft()
            outcome = yield held
            self.planned += outcome.runs - contest.likely(challengers)
            self.at_risk -= contest.cost(challengers) - contest.likely(challengers)
            barren = 0 if self._concluded(outcome) else barren + 1
            held_before += contest is self.contest
            if held_before >= HOPE_AFTER and self._doubtful():
                continue
            left = self.left if under_way or ideas else self.left_for_sure()
            if len(under_way) + len(ideas) < self.lanes and left >= self.least + LOOK:
                self.planned += LOOK
                ideas.append(self.search.strands.start(self._look(self.incumbent, self._writer(self.notes))))
        if barren >= PATIENCE:
            self.search.end("no_gain", f"{PATIENCE} contests brought nothing better", self.incumbent)
        elif hopeless and self._affordable():
            self.search.end("no_headroom", f"after {held_before} contests nothing is probably better than what was given", self.incumbent)

    def _doubtful(self) -> bool:
        """Whether it is in doubt that the incumbent is better than the program as given, on the rows that both were run on."""
        found = difference(self.search, self.incumbent, self.search.baseline, self.rows)
        return self.incumbent == self.search.baseline or (found.n >= HOPE_ROWS and found.better() < HOPE)

    @property
    def least(self) -> int:
        """What must be left for another contest: a very small one at the end takes long and finds little."""
        return max(self.contest.cost(2), min(self.contest.cost(3), int(self.recipe.max_runs) // 10))

    def _affordable(self) -> bool:
        return self.sure >= self.least

    def left_for_sure(self) -> int:
        """What is left when nothing is under way: planned runs that turned out to be known already are given back."""
        self.planned = self.search.rollouts + len(self.unseen)
        return self.left

    def _start(self, fresh: Sequence[Candidate], known: int) -> tuple[Held | None, Handle | None]:
        """Start a contest with these ideas and what was carried over; returns it, and the handle of the next ideas."""
        base = self.incumbent
        makers: list[Any] = [*(self._rebased(c, base) for c in fresh if self._is_new(c)), *self.carried]
        self.carried = []
        self.started += 1
        if self.kinds and (self.started % 2 == 0 or len(makers) < 3):
            makers += [
                self._demo_move(base, *kind, self._one_of(list(base.params)))
                for kind in self.rng.sample(self.kinds, min(2, len(self.kinds)))
            ]
        most = max(2, self.sure // self.contest.cost(0) - 1)
        makers = [m for m in dict.fromkeys(makers) if m != base][:most]
        if base != self.search.baseline and self._doubtful():
            makers.append(self.search.baseline)
        looking = None
        self.planned += self.contest.likely(len(makers))
        self.at_risk += self.contest.cost(len(makers)) - self.contest.likely(len(makers))
        if self.left >= (1 + known) * self.contest.likely(PROPOSALS) + LOOK:
            self.planned += LOOK
            looking = self.search.strands.start(self._look(base, self._writer(self.notes)))
        if not makers:
            return None, looking
        shift = SHIFT * self.started % len(self.rows)
        rows = self.rows[shift:] + self.rows[:shift]
        return (self.contest, len(makers), self.search.strands.start(self.contest.run(base, makers, rows))), looking

    def _is_new(self, candidate: Candidate) -> bool:
        """Whether nobody proposed these instructions before."""
        texts = {p.instructions for p in candidate.params.values()} - {p.instructions for p in self.incumbent.params.values()}
        new = bool(texts - self.tried)
        self.tried |= texts
        return new

    def _one_of(self, names: list[str]) -> str | None:
        return self.rng.choice(names) if len(names) > 1 else None

    def _concluded(self, outcome: Outcome) -> bool:
        """Put the winner in the incumbent's place; what else looked good is carried over, on top of the new incumbent."""
        winner = outcome.winner(PROMOTE)
        stale = outcome.base != self.incumbent
        promoted = winner is not None and not stale
        for candidate, found in outcome.ranking[promoted:]:
            self.search.decide("drop", candidate, f"{found.mean:+.3f} against the incumbent on {counted(found.n, 'row')}")
            self._remember(candidate, outcome.base, found.mean)
        if promoted and winner is not None:
            self.podium = [self.incumbent, *self.podium][:2]
            self._promote(winner, outcome.rows)
        good = [c for c, found in outcome.ranking[promoted:] if found.better() > PROMISING and c != self.search.baseline]
        if promoted or stale or len(good) > 1:
            self.carried += [self._combined(c, outcome.base, self.incumbent) for c in good[:CARRIED]]
        return winner is not None

    def _remember(self, candidate: Candidate, base: Candidate, mean: float) -> None:
        if mean < 0:
            self.notes.refuse_change(base, candidate, f"it did worse on the same rows, by {-mean:.2f}")

    # -- gathering ----------------------------------------------------------------------------------------------------------------------

    def _gather(self) -> Strand[list[tuple[Any, Result]]]:
        """One wave: the teacher's right answers for demos, the program's own failures to learn from."""
        search, perfect = self.search, self.recipe.perfect_score
        program = (search.task.teacher or search.task.student).deepcopy()
        subject = Subject(name="t", program=program, settings=self.recipe.teacher_settings, training=True)
        teacher = labeled(Candidate(params=program.params(), note="teacher"), self.train, 8, rng=search.rng("teacher"))
        boots = Bootstrapper(search=search, teacher=teacher, subject=subject, threshold=perfect)
        taught, seen = self._next_rows(min(BOOT, self.left // 8)), self._next_rows(min(LOOK_FIRST, self.left // 16))
        self.planned += len(taught) + len(seen)
        answers = yield [*map(boots.row, taught), *search.scores(self.incumbent, seen)]
        own = list(zip(seen, answers[len(taught) :], strict=True))
        made = [(row, demos) for row, demos in zip(taught, answers, strict=False) if demos is not None]
        made += [(row, demos_of(r.steps)) for row, r in own if r.value is not None and r.value >= perfect and r.steps]
        predictors = dict(search.task.student.named_predictors())
        fields = {n: (frozenset(p.signature.input_fields), frozenset(p.signature.output_fields)) for n, p in predictors.items()}
        self.pool = DemoPool(base=search.baseline, made=made, rows=self.train, fields=fields, limit=self.recipe.max_demos)
        return own

    def _next_rows(self, count: int) -> list[Any]:
        """Training rows in turn."""
        count = min(count, len(self.train))
        rows = [self.train[(self.looked + i) % len(self.train)] for i in range(count)]
        self.looked += count
        return rows

    def _look(self, candidate: Candidate, writer: Reflect) -> Strand[tuple[Reflect, list[Candidate]]]:
        """New instructions from a candidate's failures on further training rows."""
        rows = self._next_rows(LOOK)
        results = yield self.search.scores(candidate, rows, rank=SOON)
        return (yield from self._proposed(writer, candidate, list(zip(rows, results, strict=True)), PROPOSALS))

    def _proposed(
        self, writer: Reflect, candidate: Candidate, shown: list[tuple[Any, Result]], number: int
    ) -> Strand[tuple[Reflect, list[Candidate]]]:
        made = yield from writer.propose(candidate, shown, number)
        return writer, made

    # -- demos --------------------------------------------------------------------------------------------------------------------------

    def _race_demos(self) -> Strand[list[Held]]:
        """The sets of demos against each other; returns the contest of the best few, which goes on while others are already held."""
        base = self.search.baseline
        made = [self.search.add(self._demo_move(base, kind, count)) for kind, count in self.kinds]
        candidates = list(dict.fromkeys([base, *made]))
        runs = DEMO_SHARE * (self.left - len(self.unseen))
        first = max(2, min(int(0.6 * runs / len(candidates)), len(self.rows)))
        finalists = max(2, len(candidates) // 3)
        second = min(first + int(0.4 * runs / finalists), len(self.rows))
        self.planned += first * len(candidates)
        yield [h for c in candidates for h in self.search.scores(c, self.rows[:first])]
        leader, *others = self._ordered(candidates, first)[:finalists]
        self._promote(leader, self.rows[:first])
        others += [base] if base not in (leader, *others) else []
        if not others:
            return []
        self.podium = [c for c in others if c != base][:2]
        self.planned += (second - first) * (1 + len(others))
        finals = Contest(search=self.search, first=second, more=0)
        return [(finals, len(others), self.search.strands.start(finals.run(leader, others, self.rows)))]

    def _ordered(self, candidates: Sequence[Candidate], rows: int) -> list[Candidate]:
        return sorted(candidates, key=lambda c: -(self.search.trial(c, self.rows[:rows]).score or 0.0))

    def _demo_move(self, base: Candidate, kind: str, count: int, only: str | None = None) -> Candidate:
        demos = self.pool.draw(kind, count, self.rng)
        return base.with_demos(demos if only is None else {only: demos[only]}, f"demos: {kind} {count}")

    def _promote(self, candidate: Candidate, rows: Sequence[Any]) -> None:
        self.search.decide("promote", candidate, candidate.note)
        self.incumbent = candidate
        self.search.mark(candidate, self.search.trial(candidate, rows).score)
        self.search.announce(candidate, [row for row in rows if self.search.known(candidate, row)])

    # -- combining ----------------------------------------------------------------------------------------------------------------------

    def _rebased(self, candidate: Candidate, base: Candidate) -> Candidate:
        """The instructions that a proposal changed, changed in the incumbent instead."""
        parent = self.search.candidate(candidate.parents[0]) if candidate.parents else None
        if parent is None or parent == base:
            return candidate
        changed = {n: p.instructions for n, p in candidate.params.items() if p.instructions != parent.params[n].instructions}
        return base.with_instructions(changed, candidate.note)

    def _combined(self, candidate: Candidate, old: Candidate, new: Candidate) -> Strand[Candidate | None]:
        """What a candidate changed in the old incumbent, put into the new one; a model merges two instructions for the same predictor."""
        params = {}
        for name, param in candidate.params.items():
            was, now = old.params[name], new.params[name]
            if param.demos != was.demos:
                params[name] = now.evolve(demos=param.demos)
            if param.instructions == was.instructions:
                continue
            if now.instructions == was.instructions:
                params[name] = params.get(name, now).evolve(instructions=param.instructions)
            elif (merged := (yield from self.merger.merge(new, name, param.instructions))) is not None:
                params[name] = params.get(name, now).evolve(instructions=merged.params[name].instructions)
        return new.evolve(params, f"merged with {candidate.note}", parents=[candidate]) if params else None
